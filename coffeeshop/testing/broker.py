"""A private RabbitMQ node: own ports on loopback, own directories, own epmd.

For tests and experiments that stop, freeze and kill a broker. Needs an installed RabbitMQ 3.10 or
later (Debian's ``rabbitmq-server`` does); runs as the current user, and needs no root.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from coffeeshop.errors import Unreachable
from coffeeshop.testing.epmd import PortMapper
from coffeeshop.testing.guarded import Guarded
from coffeeshop.testing.partition import TOOLS, Network
from coffeeshop.testing.ports import free_ports

_PLACES = ("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin", "opt/rabbitmq/sbin")
_LOOPBACK = "-kernel inet_dist_use_interface {127,0,0,1}"
_HELLO = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = b"\x01"
_EVALUATED = "<evaluated>"


def rabbitmq_available() -> bool:
    """Whether this machine has what `PrivateBroker` starts."""
    return _scripts() is not None and all(shutil.which(tool) for tool in ("erl", "epmd"))


def _scripts() -> Path | None:
    """The directory of RabbitMQ's own scripts: the distribution's wrappers change the user."""
    found = [path for place in _PLACES for path in sorted(Path("/").glob(place))]
    return found[-1] if found else None


def node_name() -> str:
    """An Erlang name that no other node has."""
    return f"coffeeshop-{uuid4().hex[:8]}@localhost"


class Domain:
    """What the nodes of one cluster share: the daemon that knows their ports, and a secret."""

    def __init__(self, patience: float = 90.0, network: Network | None = None) -> None:
        """``patience``: seconds that its start may take. ``network``: between its nodes, to be cut;
        the port mapper is one of this process then, which puts the network's gates before them."""
        (self._port,) = free_ports(1)
        self.cookie = uuid4().hex
        self._network = network
        self._mapper: PortMapper | None = None
        self._patience = patience
        self.home = Path(tempfile.mkdtemp(prefix="coffeeshop-broker-"))
        """All of its files and its nodes' are in here."""
        self._epmd: Guarded | None = None

    def environment(self, home: Path) -> dict[str, str]:
        """The environment of its nodes; nothing of the machine's own RabbitMQ gets in."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("RABBITMQ_", "ERL_"))}
        return kept | {
            "HOME": str(home),
            "ERL_EPMD_PORT": str(self._port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def start(self) -> None:
        """Start epmd; harmless when it runs. Raises `Unreachable` when it does not answer."""
        if self._epmd is not None or self._mapper is not None:
            return
        if self._network is not None:
            self._mapper = PortMapper(self._port, self._network.gate)
            return
        # Ours, in the foreground: a node would start a daemon that outlives it.
        command = ["epmd", "-port", str(self._port), "-address", "127.0.0.1"]
        with (self.home / "epmd").open("ab") as console:
            environment = self.environment(self.home)
            self._epmd = Guarded(command, self.home, environment, console, str(self.home))
        deadline = time.monotonic() + self._patience
        while not _accepts(self._port):
            _expect_alive(self._epmd.process, deadline, "epmd does not answer")

    def close(self) -> None:
        """End epmd; harmless twice."""
        if self._epmd is not None:
            self._epmd.end(signal.SIGKILL, self._patience)
            self._epmd = None
        if self._mapper is not None:
            self._mapper.close()
            self._mapper = None
        shutil.rmtree(self.home, ignore_errors=True)


class PrivateBroker:
    """One broker node that belongs to this process and ends with it at the latest.

    `start`, `stop`, `kill`, `freeze`, `thaw` and `restart` keep its disk; `close` (or leaving the
    ``with`` block) ends it and removes everything. Not for use by two threads at once.
    """

    def __init__(
        self,
        *,
        config: str = "",
        patience: float = 90.0,
        domain: Domain | None = None,
        name: str | None = None,
    ) -> None:
        """``config``: more lines for its rabbitmq.conf. ``patience``: seconds a start may take.

        ``domain``: what it shares with the other nodes of a cluster; its owner ends that.
        ``name``: its Erlang name, ``something@localhost``; one of its own without it.
        """
        self.port, self.distribution_port = free_ports(2)
        self.name = name or node_name()
        self.frozen = False
        """Whether it was frozen and not thawed."""
        self._domain = domain or Domain(patience)
        self._owns_domain = domain is None
        self._patience = patience
        self._home = Path(tempfile.mkdtemp(prefix="node-", dir=self._domain.home))
        self._server: Guarded | None = None
        self._config = config
        self._write_files()
        atexit.register(self.close)

    @property
    def url(self) -> str:
        """Where its AMQP listener is, with the default user."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int:
        """The process id of the node; it must be running."""
        assert self._server is not None, "the broker is not running"
        return self._server.process.pid

    @property
    def running(self) -> bool:
        """Whether the node's process is there (frozen counts)."""
        return self._server is not None and self._server.process.poll() is None

    def answers(self) -> bool:
        """Whether it takes AMQP connections; waits two seconds for it at most."""
        return _speaks_amqp(self.port)

    def start(self) -> None:
        """Start the node and wait until it answers. Harmless when it runs.

        Raises `Unreachable` with the end of its log when it does not come up in time.
        """
        if self.running:
            return
        scripts = _scripts()
        if scripts is None:
            raise Unreachable("RabbitMQ is not installed on this machine")
        self._end(signal.SIGKILL)  # one that ended by itself has a guard yet
        self._domain.start()
        with (self._home / "console").open("ab") as console:
            command = [str(scripts / "rabbitmq-server")]
            self._server = Guarded(command, self._home, self._environment(), console, "")
        self._wait_ready(self._server.process)

    def stop(self) -> None:
        """End the node in good order and wait for that. Harmless when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the node (SIGKILL), leaving its disk as it is. Harmless when it does not run."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop its process without ending it: connections stay open and say nothing."""
        self.frozen = True
        os.kill(self.pid, signal.SIGSTOP)
        # Its threads run on for a moment. WNOWAIT: should it have ended, others are to find out.
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """Let a frozen process go on."""
        os.kill(self.pid, signal.SIGCONT)
        self.frozen = False

    def listen_at(self, port: int) -> None:
        """Take AMQP connections at another port as well, which `url` then names.

        Until it is stopped: it starts again with that port only.
        """
        at = f'{{"127.0.0.1", {port}, inet}}'
        self.evaluate(f"rabbit_networking:start_tcp_listener({at}, 10)")
        self.port = port
        self._write_config()

    def restart(self) -> None:
        """Stop in good order, then start."""
        self.stop()
        self.start()

    def rabbitmqctl(
        self, *args: str, tool: str = "rabbitmqctl", timeout: float | None = None
    ) -> str:
        """Run ``rabbitmqctl`` against the node and return what it printed; takes a second or two.

        ``tool``: another one of RabbitMQ's, such as ``rabbitmq-diagnostics``. ``timeout``: seconds
        it may take, the node's patience without it.

        Raises `subprocess.CalledProcessError` when the command fails, `subprocess.TimeoutExpired`.
        """
        scripts = _scripts()
        assert scripts is not None
        command = [str(scripts / tool), "--quiet", "--node", self.name, *args]
        done = subprocess.run(
            command,
            env=self._environment(),
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=self._patience if timeout is None else timeout,
        )
        return done.stdout

    def evaluate(self, code: str, timeout: float | None = None) -> str:
        """Have the node evaluate Erlang expressions; what they printed. ``code`` has commas between
        them and no full stop. ``timeout``: as of `rabbitmqctl`, which does the same (`eval`) in
        seconds of processor time, and not in a hundredth of one as Erlang's own tool.

        Raises `subprocess.CalledProcessError` when one fails, `subprocess.TimeoutExpired`.
        """
        if shutil.which("erl_call") is None:
            return self.rabbitmqctl("eval", f"{code}.", timeout=timeout).removesuffix("ok\n")
        command = ["erl_call", "-sname", self.name, "-c", self._domain.cookie]
        command += ["-h", f"{TOOLS}-{uuid4().hex[:8]}", "-fetch_stdout", "-no_result_term", "-e"]
        done = subprocess.run(
            command,
            env=self._environment(),
            input=f'{code}, io:format("{_EVALUATED}").\n',
            capture_output=True,
            text=True,
            check=True,
            timeout=self._patience if timeout is None else timeout,
        )
        if not done.stdout.endswith(_EVALUATED):  # whether they fail is not in the exit code
            raise subprocess.CalledProcessError(1, [*command, code], done.stdout, done.stderr)
        return done.stdout.removesuffix(_EVALUATED)

    def log(self) -> str:
        """What the node has logged so far."""
        parts = [*sorted((self._home / "log").glob("*.log")), self._home / "console"]
        return "\n".join(part.read_text(errors="replace") for part in parts if part.exists())

    def close(self) -> None:
        """End the node (and its epmd, unless shared), remove its directories; harmless twice."""
        atexit.unregister(self.close)
        self.kill()
        if self._owns_domain:
            self._domain.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> PrivateBroker:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write_files(self) -> None:
        for name in ("mnesia", "log", "config", "conf.d"):
            (self._home / name).mkdir()
        (self._home / "enabled_plugins").write_text("[].\n")
        (self._home / "env.conf").write_text("")
        self._write_config()
        cookie = self._home / ".erlang.cookie"
        cookie.write_text(self._domain.cookie)
        cookie.chmod(0o400)

    def _write_config(self) -> None:
        (self._home / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\ndisk_free_limit.absolute = 64MB\n"
            f"frame_max = 1048576\n{self._config}\n"
        )

    def _environment(self) -> dict[str, str]:
        """Nothing of the machine's own RabbitMQ configuration reaches the node."""
        home = self._home
        return self._domain.environment(home) | {
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(home / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(home / "config"),
            "RABBITMQ_CONF_ENV_FILE": str(home / "env.conf"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _LOOPBACK,
            "RABBITMQ_CTL_ERL_ARGS": _LOOPBACK,
            # The start script then becomes the node instead of watching over it: one pid.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _wait_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._patience
        while not _speaks_amqp(self.port):
            try:
                _expect_alive(server, deadline, "the broker does not answer")
            except Unreachable as error:
                raise Unreachable(f"{error}\n{self.log()[-3000:]}") from None

    def _end(self, how: signal.Signals) -> None:
        self.frozen = False
        if self._server is not None:
            self._server.end(how, self._patience)
            self._server = None


def _expect_alive(process: subprocess.Popen[bytes], deadline: float, complaint: str) -> None:
    """Wait a moment; complain when the process has ended or the time is up."""
    try:
        code = process.wait(timeout=0.1)
    except subprocess.TimeoutExpired:
        if time.monotonic() < deadline:
            return
        raise Unreachable(f"{complaint} in time") from None
    raise Unreachable(f"{complaint}: it ended with {code}")


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _speaks_amqp(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(_HELLO)
            return connection.recv(1) == _METHOD_FRAME
    except OSError:
        return False
