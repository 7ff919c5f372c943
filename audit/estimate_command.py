"""The options of `groundwire estimate`; what it needs is imported when it runs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .console import put
from .options import Listing


def _amount(text: str | float) -> float:
    from .estimation.text import amount

    return amount(str(text))


def _option(name: str, told: str) -> Any:
    return typer.Option(name, help=told, parser=_amount, metavar="NUMBER")


def estimate(
    tokens: Annotated[float, _option("--tokens", "Of one epoch: 1e12, 1T.")],
    parameters: Annotated[float | None, _option("--parameters", "Active for a token: 7e9, 7B.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="H100, A100-SXM4-80GB, RTX 4090, MI300X …")] = None,
    devices: Annotated[int, typer.Option("--devices", help="How many.")] = 1,
    epochs: Annotated[float, _option("--epochs", "How often the tokens are seen.")] = 1.0,
    dtype: Annotated[str | None, typer.Option("--dtype", help="bf16, fp16, fp8, tf32, fp32; default: bf16.")] = None,
    mfu: Annotated[float | None, _option("--mfu", "Model FLOPs utilisation, as in 0.4.")] = None,
    region: Annotated[str | None, typer.Option("--region", help="Of the grid: FRA, USA:california.")] = None,
    intensity: Annotated[float | None, _option("--intensity", "Of the grid, in kg CO2e a kWh.")] = None,
    pue: Annotated[float | None, _option("--pue", "Energy of the data centre over that of its computers.")] = None,
    wue: Annotated[float | None, _option("--wue", "Litres of cooling water a kWh.")] = None,
    power: Annotated[float | None, _option("--power", "Of a device, in W; default: by its TDP.")] = None,
    host_power: Annotated[float | None, _option("--host-power", "Of the rest of the node a device, in W.")] = None,
    price_per_kwh: Annotated[float | None, _option("--price-per-kwh", "In your currency.")] = None,
    price_per_hour: Annotated[float | None, _option("--price-per-hour", "Of a device.")] = None,
    currency: Annotated[str, typer.Option("--currency", help="Of the prices, as in EUR.")] = "",
    layers: Annotated[float | None, _option("--layers", "With --hidden, --sequence: adds attention.")] = None,
    hidden: Annotated[float | None, _option("--hidden", "Width of the model.")] = None,
    sequence: Annotated[float | None, _option("--sequence", "Tokens that attend to one another.")] = None,
    embodied: Annotated[float | None, _option("--embodied", "Making of a device, in kg CO2e.")] = None,
    lifetime: Annotated[float | None, _option("--lifetime", "Of a device, in years.")] = None,
    peak: Annotated[float | None, _option("--peak", "Dense FLOP/s of a device that is not in the table.")] = None,
    run: Annotated[str | None, typer.Option("--from", metavar="RUN", help="Scale this run up.")] = None,
    chosen: Annotated[Listing, typer.Option("--format", "-f", help="text or json.")] = Listing.TEXT,
) -> None:
    """Estimate hours, energy, emissions, water and cost of a training before it runs, as ranges.

    With --from, what an earlier run measured (model size, device, utilisation, power) stands in for assumptions.
    """
    options = {name: value for name, value in locals().items() if name not in ("run", "chosen")}
    from .estimation import Asked
    from .estimation import estimate as found_for
    from .estimation.text import estimated_json, estimated_text

    measured = None
    if run is not None:
        from .estimation.runs import measured_in

        measured = measured_in(run)
    found = found_for(Asked(measured=measured, **options))
    put(estimated_json(found) if chosen is Listing.JSON else estimated_text(found))
