"""Networks: one pass over a given input, never fed its own output. NETWORKS is the only list."""

from .base import AbstractNetwork
from .gru import GRU
from .mlp import MLP
from .state_space import StateSpace
from .transformer import Transformer

NETWORKS: dict[str, type[AbstractNetwork]] = {
    network.__name__: network for network in (MLP, Transformer, StateSpace, GRU)
}
