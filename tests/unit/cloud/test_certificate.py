"""The certificates of one run: strict enough for every client, and worthless to anybody else."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store

from livetui.cloud.certificate import write_certificates
from livetui.cloud.record import TlsFiles


def written(folder: Path) -> TlsFiles:
    folder.mkdir(exist_ok=True)
    write_certificates(TlsFiles(folder), "eu-west-1")
    return TlsFiles(folder)


def test_a_strict_verifier_accepts_the_server_by_each_of_its_names(tmp_path: Path) -> None:
    files = written(tmp_path)
    server, *_ = x509.load_pem_x509_certificates(files.chain.read_bytes())
    policy = PolicyBuilder().store(Store(x509.load_pem_x509_certificates(files.ca.read_bytes())))

    for name in ("localhost", "3698ca23.execute-api.localhost", "f7b1-ats.iot.eu-west-1.localhost"):
        policy.build_server_verifier(x509.DNSName(name)).verify(server, [])
    for address in ("127.0.0.1", "::1"):
        policy.build_server_verifier(x509.IPAddress(ipaddress.ip_address(address))).verify(server, [])


def test_only_the_servers_key_is_written_and_only_for_this_user(tmp_path: Path) -> None:
    files = written(tmp_path)
    keys = [path for path in tmp_path.iterdir() if b"PRIVATE KEY" in path.read_bytes()]

    assert keys == [files.key]
    assert files.key.stat().st_mode & 0o777 == 0o600


def test_every_run_has_an_authority_of_its_own(tmp_path: Path) -> None:
    authorities = [x509.load_pem_x509_certificate(written(tmp_path / name).ca.read_bytes()) for name in ("a", "b")]
    keys = [authority.public_key() for authority in authorities]

    assert all(isinstance(key, ec.EllipticCurvePublicKey) for key in keys)
    assert keys[0] != keys[1]


def test_the_bundle_holds_the_authority_beside_the_systems_own(tmp_path: Path) -> None:
    files = written(tmp_path)

    assert files.ca.read_bytes() in files.bundle.read_bytes()
