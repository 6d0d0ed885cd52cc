"""The ways to people that a Prefect server is told of: Slack, mail, any webhook. Each is a block, whose address the server keeps."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from prefect.blocks.notifications import AppriseNotificationBlock, SlackWebhook
from pydantic import SecretStr

from components.contracts.errors import ConfigError
from flows.telling.notify import LOOKS, addresses

_SLACKS = re.compile(r"https://hooks\.slack(-gov)?\.com/services/\w+/\w+/\w+/?")


class Channel(AppriseNotificationBlock):
    """Mail, or a webhook of any kind, by an address of Apprise; Prefect has a block for Slack, and none that sends mail by itself.

    The server that sends has to know the class: those of `diptych up` and `diptych ui` do. Another one sends by Slack alone.
    """

    _block_type_name = "Diptych channel"
    _block_type_slug = "diptych-channel"


def block_name(channel: str) -> str:
    """Return by which name a channel's block is found on the server."""
    return f"diptych-{channel}"


def block_type(channel: str) -> type[AppriseNotificationBlock]:
    """Return the class of a channel's block."""
    return SlackWebhook if channel == "slack" else Channel


def given(environment: Mapping[str, str]) -> dict[str, AppriseNotificationBlock]:
    """Return a block for each channel that the environment has an address of; ConfigError, without it, for one that is none."""
    return {channel: block_of(channel, said, name) for channel, (name, said) in addresses(environment).items()}


def block_of(channel: str, address: str, name: str) -> AppriseNotificationBlock:
    """Return the block of an address that came by the variable `name`; ConfigError, without it, where it is none of the channel."""
    wrong = ConfigError(f"what {name} gives is no address for {channel}. It looks like {LOOKS[channel]}.")
    if channel == "slack":
        if not _SLACKS.fullmatch(address):
            raise wrong
        return SlackWebhook(url=SecretStr(address))
    if not address.startswith(("https://", "http://") if channel == "webhook" else ("mailtos://", "mailto://")):
        raise wrong
    try:
        made = Channel(url=SecretStr(_of_apprise(address) if channel == "webhook" else address))
    except ValueError:
        raise wrong from None
    if len(made._apprise_client) != 1:
        raise wrong
    return made


def without_address(text: str, block: AppriseNotificationBlock) -> str:
    """Return a text with nothing in it of where a block sends to."""
    address = block.url.get_secret_value()
    whole = urlsplit(address)
    parts = {part for part in re.split(r"[/:?&=@]", address) if len(part) > 4} | {whole.username, whole.password}
    known = {form for part in parts if part for form in (part, unquote(part), quote(unquote(part), safe=""))}
    for part in sorted(known, key=len, reverse=True):
        text = text.replace(part, "…")
    return text


def _of_apprise(address: str) -> str:
    """Return a web address as Apprise has one that gets JSON; what stands in its query goes along."""
    whole = urlsplit(address)
    query = "&".join(f"-{quote(key)}={quote(value)}" for key, value in parse_qsl(whole.query, keep_blank_values=True))
    scheme = "jsons" if whole.scheme == "https" else "json"
    return f"{scheme}://{whole.netloc}{whole.path}" + (f"?{query}" if query else "")
