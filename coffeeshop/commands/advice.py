"""Hints: what to do about an error that ended a command."""

from __future__ import annotations

from coffeeshop.errors import (
    BadData,
    BrokerRefuses,
    Cancelled,
    CoffeeshopError,
    Forbidden,
    Misdirected,
    ProtocolError,
    SessionTimeout,
    Unreachable,
)

BUG = 70
GATEWAY_AWAY = (
    "check that a gateway runs there: start one with `coffeeshop run-node --type gateway`, "
    "or name another with --gateway URL or COFFEESHOP_GATEWAY"
)
BROKER_AWAY = "check that RabbitMQ runs; set its address with --broker URL or COFFEESHOP_BROKER_URL"
PORT_TAKEN = (
    "stop the process that listens there, or choose another port with --port, --metrics-port"
)
NOT_ALLOWED = (
    "pass a token with --token-file FILE or COFFEESHOP_TOKEN; the gateway's operator makes one "
    "with `coffeeshop token NAME`"
)
BROKER_REFUSES = "check the user and password in --broker URL or COFFEESHOP_BROKER_URL"
BAD_ROW = "fix the row, or leave such rows out with --on-bad-row skip"
TOO_SLOW = "use a longer --timeout, or submit to a gateway with --detach and follow it with `watch`"
PARAMETERS = (
    "all clients of one --session need the same --plan and --partitions, "
    "and each its own --producer"
)
DEFECT = "this is a bug: report it with the command and the logs"
GONE = "the gateway no longer has its data; submit it again with `coffeeshop submit`"


def advice(error: CoffeeshopError, command: str | None) -> str:
    """One line for the user of ``command``; empty when the error itself says all there is."""
    if error.hint:
        return error.hint
    match error:
        case Unreachable() if isinstance(error.__cause__, OSError) and command == "run-node":
            return PORT_TAKEN
        case Misdirected() | BrokerRefuses():
            return ""
        case Unreachable():
            return BROKER_AWAY if command == "run-node" else GATEWAY_AWAY
        case Forbidden():
            return BROKER_REFUSES if command == "run-node" else NOT_ALLOWED
        case BadData(column=str()) if command == "submit" and (error.line or error.row):
            return BAD_ROW
        case SessionTimeout():
            return TOO_SLOW
        case Cancelled():
            return GONE
        case ProtocolError():
            return PARAMETERS if command == "submit" else ""
    return DEFECT if error.exit_code == BUG else ""
