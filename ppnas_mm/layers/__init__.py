"""Candidate operations; deployment, activation checkpointing and memory layouts."""

from .deploy import DeployError, deploy, switch_to_deploy
from .ops import ConvStyle, OpSpec, build_op, register_op
from .recompute import run_block

__all__ = [
    'ConvStyle',
    'DeployError',
    'OpSpec',
    'build_op',
    'deploy',
    'register_op',
    'run_block',
    'switch_to_deploy',
]
