"""A cluster as one should be: a server apart from its nodes, TLS for everybody, ACLs, and the platform's own token.

The token has the policy that docs/nomad.md tells operators to give, read from there: what runs here shows that it
suffices.
"""

from __future__ import annotations

import datetime
import ipaddress
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apps.engines.nomad.client import NomadEngine
from apps.engines.nomad.cluster import Cluster
from apps.engines.nomad.server import Body, Server
from tests.stack.nomad import NomadAgent, engine_of, place_for_nomad

DOCS = Path(__file__).resolve().parents[2] / "docs" / "nomad.md"
NAMESPACE = "brainpod"
NAMES = ("server.global.nomad", "client.global.nomad", "localhost")  # whom Nomad's certificates are for
HANDOVER = 20  # seconds that what is sent away serves on
QUICK = {"heartbeat_grace": "2s", "min_heartbeat_ttl": "2s", "max_heartbeats_per_second": 100.0}


@dataclass(slots=True)
class SecureCluster:
    """`operator` may do everything; `engine` has the platform's token. Nodes by name."""

    server: NomadAgent
    nodes: dict[str, NomadAgent]
    operator: Server
    engine: NomadEngine

    def node(self, name: str) -> Body:
        return next(node for node in self.operator.get("nodes") if node["Name"] == name)

    def where(self, workload: str) -> str:
        """The name of the node it is on; empty: nowhere."""
        found = self.engine._find(self.engine.names.job(workload))
        return str(found["NodeName"]) if found else ""

    def drain(self, name: str, *, back: bool = False) -> None:
        """Send away what runs there; or, `back`, take it into use again."""
        spec = {"DrainSpec": None if back else {"Deadline": 0, "IgnoreSystemJobs": False}, "MarkEligible": back}
        self.operator.put(f"node/{self.node(name)['ID']}/drain", spec)

    def wait_ready(self) -> None:
        """Until every node answers and may be used."""

        def ready() -> bool:
            return sum(node["Status"] == "ready" for node in self.operator.get("nodes")) == len(self.nodes)

        self.server.wait(ready, "nodes")


@contextmanager
def secure_cluster(**nodes: str) -> Iterator[SecureCluster]:
    """`nodes`: the datacenter of each by name. Loses a node that does not answer for 5 s, for tests to wait for."""
    place = place_for_nomad()
    agents: list[NomadAgent] = []
    try:
        certificate, key = self_signed(place)
        tls = {
            "http": True, "rpc": True, "ca_file": str(certificate), "cert_file": str(certificate),
            "key_file": str(key), "verify_server_hostname": True, "verify_https_client": True,
        }  # fmt: skip
        rest: dict[str, Any] = {"tls": tls, "acl": {"enabled": True}}
        server = NomadAgent(place / "server", server=QUICK, **rest)
        agents.append(server)
        server.start()
        cluster = Cluster(
            server.address, driver="raw_exec", ca=str(certificate), certificate=str(certificate), key=str(key)
        )
        operator = _bootstrapped(server, cluster)
        for name, datacenter in nodes.items():
            servers = {"servers": [f"127.0.0.1:{server.rpc}"], "memory_total_mb": 8000}
            agents.append(NomadAgent(place / name, client=servers, datacenter=datacenter, **rest))
            agents[-1].start()
        own = replace(cluster, token=_token(operator), namespace=NAMESPACE, lost_after=5, handover=HANDOVER)
        with engine_of(own, place) as engine:
            made = SecureCluster(server, {agent.place.name: agent for agent in agents[1:]}, operator, engine)
            made.wait_ready()
            yield made
    finally:
        for agent in reversed(agents):
            agent.remove()
        shutil.rmtree(place, ignore_errors=True)


def _bootstrapped(agent: NomadAgent, cluster: Cluster) -> Server:
    found: list[Server] = []

    def bootstrap() -> bool:
        token = Server(cluster).put("acl/bootstrap", {})["SecretID"]
        found.append(Server(replace(cluster, token=token)))
        return True

    agent.wait(bootstrap, "leader")
    return found[0]


def _token(operator: Server) -> str:
    """The platform's, of the documented policy."""
    text = DOCS.read_text()
    rules = text[text.index("```hcl\n") + 7 :].partition("```")[0]
    _without_answer(operator, f"namespace/{NAMESPACE}", {"Name": NAMESPACE})
    _without_answer(operator, f"acl/policy/{NAMESPACE}", {"Name": NAMESPACE, "Rules": rules})
    made = operator.put("acl/token", {"Name": NAMESPACE, "Type": "client", "Policies": [NAMESPACE]})
    return str(made["SecretID"])


def _without_answer(operator: Server, where: str, body: dict[str, Any]) -> None:
    operator._send("put", where, {}, json=body)


def self_signed(place: Path) -> tuple[Path, Path]:
    """A certificate that is its own authority, for agents and clients of this machine, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nomad")])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(one) for one in NAMES]
    names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = place / "ca.pem", place / "key.pem"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private
