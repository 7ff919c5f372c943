"""Trainings whose further epochs taught nothing that holds (GEN007), and healthy ones in which they did no harm."""

from __future__ import annotations

from .setups import Setup
from .trials import Trial

FAULTY = (
    Trial(setup=Setup(name="features-by-heart", data="wide", train=310, net="linear", optimizer="sgd", lr=0.05,
                      weight_decay=0.02, steps=1200)),
    Trial(setup=Setup(name="few-sentences", data="text", train=150, val=300, net="transformer", width=32, depth=1,
                      dropout=0.2, lr=2e-3, steps=800)),
    Trial(setup=Setup(name="epochs-set", data="teacher", train=320, noise=0.1, lr=1e-3, steps=600),
          options={"max_epochs": 60, "max_steps": -1}),
    Trial(setup=Setup(name="accumulated", data="documents", train=300, net="bag", width=32, depth=1, lr=3e-3,
                      steps=400), options={"accumulate_grad_batches": 2}),
    Trial(setup=Setup(name="copied-rows", data="teacher", train=80, copies=20, noise=0.05, lr=5e-3, steps=190)),
    Trial(setup=Setup(name="weakly-augmented", data="images", train=250, net="cnn", width=16, lr=2e-3, augment=0.1,
                      steps=1600, per_example=True)),
)  # fmt: skip
HEALTHY = (
    Trial(setup=Setup(name="repetition-that-pays", data="images", train=610, net="cnn", width=4, steps=1200,
                      weight_decay=0.1)),
    Trial(setup=Setup(name="three-epochs", data="teacher", train=6010, width=64, steps=560),
          options={"max_epochs": 3, "max_steps": -1}),
    Trial(setup=Setup(name="small-model-much-data", data="teacher", train=1510, net="linear", steps=1200)),
    Trial(setup=Setup(name="grokking-epochs", data="modular", train=320, val=200, net="pairs", width=96, depth=1,
                      lr=5e-3, weight_decay=1.0, batch_size=160, steps=2400),
          options={"max_epochs": 1200, "max_steps": -1}),
    Trial(setup=Setup(name="cosine-over-ten-epochs", data="digits", train=1010, val=300, dropout=0.3, lr=5e-4,
                      schedule="cosine", steps=320)),
    Trial(setup=Setup(name="stopped-long-before", data="numbers", train=2010, noise=0.3, width=32, lr=5e-4,
                      patience=4, steps=1200), options={"max_epochs": 200}),
)  # fmt: skip
