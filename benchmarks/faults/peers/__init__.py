"""Other watchers of trainings, judged by the same runs: rules as publicly described, and Lightning's own."""

from . import autotrainer, deepdiagnosis, kill_loss_spike, sagemaker, spike_detection
from .declaration import Alarm, Peer

PEERS: tuple[Peer, ...] = (
    sagemaker.PEER,
    autotrainer.PEER,
    deepdiagnosis.PEER,
    kill_loss_spike.PEER,
    spike_detection.PEER,
)

__all__ = ["PEERS", "Alarm", "Peer"]
