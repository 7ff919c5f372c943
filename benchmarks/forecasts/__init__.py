"""How well a run's own learning curve is carried on: planted curves, forecast by the product's own functions."""
