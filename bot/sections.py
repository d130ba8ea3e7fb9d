"""The sections of config.toml that a health check needs: importing the others takes a second.

The rest of them is in `bot.config`.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_HOSTS = 16  # addresses of the page


class Section(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


def network(value: str) -> str:
    ipaddress.ip_network(value, strict=False)
    return value


def _hosts(value: str | list[str]) -> str | list[str]:
    hosts = [value] if isinstance(value, str) else value
    if not 1 <= len(hosts) <= MAX_HOSTS or not all(1 <= len(host) <= 253 for host in hosts):
        raise ValueError(value)
    return value


class DataConfig(Section):
    folder: str = "data"


class WebConfig(Section):
    enabled: bool = True
    host: Annotated[str | list[str], AfterValidator(_hosts)] = Field(
        default="127.0.0.1",
        description=f"an address or a host name of this machine, or a list of up to {MAX_HOSTS}",
    )
    port: int = Field(default=8080, ge=0, le=65_535)
    allowed_hosts: list[str] = Field(default=[], description="a list of host names")
    trusted_proxies: list[Annotated[str, AfterValidator(network)]] = Field(
        default=[], description='a list of addresses or networks such as "10.0.0.0/8"'
    )
    metrics_public: bool = False
    max_streams: int = Field(default=4, ge=0, le=1000)
    poems_per_minute: int = Field(default=60, ge=0, le=100_000)
    max_rooms: int = Field(default=20, ge=0, le=100)

    @property
    def hosts(self) -> list[str]:
        """Where the page listens, an address or a name each, without the brackets of a URL."""
        hosts = [self.host] if isinstance(self.host, str) else self.host
        return [host.removeprefix("[").removesuffix("]") for host in hosts]
