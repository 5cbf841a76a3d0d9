"""Layers that lie in the cloud: downloaded once, checked, unpacked as in `/opt`, and clear words when they cannot be."""

from __future__ import annotations

import io
import json
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
import zipfile
from pathlib import Path

import pytest

from livetui.aws import Aws, CloudAccess
from livetui.errors import LivetuiError
from livetui.stack import layers
from livetui.stack.layers import fetch_layer, unpack

LINK = 0o120777 << 16


def zipped(files: dict[str, str], modes: dict[str, int] | None = None) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (modes or {}).get(name, 0o100644 << 16)
            archive.writestr(entry, content)
    return stream.getvalue()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(layers.platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache" / name))
    return tmp_path / "cache/livetui/layers"


def published(aws: Aws, content: bytes) -> str:
    return aws.client("lambda").publish_layer_version(
        LayerName=f"layer-{uuid.uuid4().hex[:8]}", Content={"ZipFile": content})["LayerVersionArn"]


def test_a_layer_is_downloaded_once_and_unpacked_with_its_modes(aws: Aws, cache: Path,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    arn = published(aws, zipped({"python/of_layer.py": "value = 7", "bin/tool": "#!/bin/sh\necho layered",
                                 "lib/libx.so": "libx.so.1", "lib/libx.so.1": "binary", "data.txt": "content"},
                                {"bin/tool": 0o100755 << 16, "lib/libx.so": LINK}))
    opt = fetch_layer(aws, arn)
    assert opt.parent == cache
    assert (opt / "python/of_layer.py").read_text() == "value = 7"
    assert (opt / "data.txt").read_text() == "content"
    assert (opt / "lib/libx.so").read_text() == "binary"
    assert subprocess.check_output([opt / "bin/tool"], text=True) == "layered\n"
    monkeypatch.setattr(layers, "_download", lambda *values: pytest.fail("it was downloaded again"))
    assert fetch_layer(aws, arn) == opt
    assert [path.name for path in cache.iterdir()] == [opt.name]


def test_the_address_of_a_layer_is_for_those_who_were_told(aws: Aws) -> None:
    arn = published(aws, zipped({"python/a.py": ""}))
    location = aws.client("lambda").get_layer_version_by_arn(Arn=arn)["Content"]["Location"]
    context = ssl.create_default_context(cafile=aws.ca_bundle)
    with urllib.request.urlopen(location, context=context) as answer:
        assert answer.status == 200
    for guess in (location.rpartition("/")[0], location[:-1] + ("0" if location[-1] != "0" else "1")):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(guess, context=context)


def test_a_layer_that_is_not_what_lambda_says_is_refused(aws: Aws, cache: Path,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    arn = published(aws, zipped({"python/a.py": ""}))
    found = layers._look_up(aws, arn)
    monkeypatch.setattr(layers, "_look_up", lambda *values: {**found, "CodeSha256": "c29tZXRoaW5nIGVsc2U="})
    with pytest.raises(LivetuiError, match="damaged"):
        fetch_layer(aws, arn)
    assert list(cache.iterdir()) == []


def test_a_version_that_is_not_there_and_one_without_content_are_told(aws: Aws) -> None:
    arn = published(aws, zipped({"python/a.py": ""}))
    aws.client("lambda").delete_layer_version(LayerName=arn.split(":")[6], VersionNumber=1)
    with pytest.raises(LivetuiError, match="deleted"):
        fetch_layer(aws, arn)
    with pytest.raises(LivetuiError, match="no content"):  # the emulator holds no layers of others
        fetch_layer(aws, f"arn:aws:lambda:{aws.region}:012345678901:layer:foreign:3")


def test_who_may_not_read_a_layer_is_told_the_permission(aws: Aws) -> None:
    arn = published(aws, zipped({"python/a.py": ""}))
    iam = aws.client("iam")
    name = f"reader-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    reader = Aws(CloudAccess(aws.region, None, aws.access.endpoint_url, aws.access.ca_bundle, key["AccessKeyId"],
                             key["SecretAccessKey"]))
    with pytest.raises(LivetuiError, match="lambda:GetLayerVersion"):
        fetch_layer(reader, arn)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps({
        "Version": "2012-10-17",
        # the emulator judges GetLayerVersion as ListLayers
        "Statement": {"Effect": "Allow", "Action": ["lambda:GetLayerVersion", "lambda:ListLayers"], "Resource": "*"}}))
    assert (fetch_layer(reader, arn) / "python/a.py").is_file()


@pytest.mark.parametrize(("files", "modes"), [
    ({"../outside.py": "x"}, {}), ({"python/../../outside.py": "x"}, {}), ({"/outside.py": "x"}, {}),
    ({"..\\outside.py": "x"}, {}),
    ({"link": "../outside.py"}, {"link": LINK}), ({"link": "/etc/passwd"}, {"link": LINK}),
    ({"up": "..", "up/outside.py": "/opt/x"}, {"up": LINK, "up/outside.py": LINK}),
    ({"a/up": "..", "b": "a/up/.."}, {"a/up": LINK, "b": LINK}), ({"loop": "loop"}, {"loop": LINK}),
    ({"python": "x", "python/a.py": "x"}, {}),
])
def test_nothing_is_written_outside_the_layers_folder(tmp_path: Path, files: dict[str, str],
                                                      modes: dict[str, int]) -> None:
    (tmp_path / "layer.zip").write_bytes(zipped(files, modes))
    with pytest.raises(LivetuiError, match=r"leads out|cannot be unpacked"):
        unpack(tmp_path / "layer.zip", tmp_path / "opt", "L")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layer.zip", "opt"]


@pytest.mark.skipif(sys.platform == "win32", reason="a colon names a drive there")
def test_names_may_hold_a_colon(tmp_path: Path) -> None:
    (tmp_path / "layer.zip").write_bytes(zipped({"data/a:b": "here"}, {}))
    unpack(tmp_path / "layer.zip", tmp_path / "opt", "L")
    assert (tmp_path / "opt/data/a:b").read_text() == "here"


def test_links_into_opt_lead_into_the_layer(tmp_path: Path) -> None:
    (tmp_path / "layer.zip").write_bytes(zipped({"lib/real": "here", "python/link": "/opt/lib/real"},
                                                {"python/link": LINK}))
    unpack(tmp_path / "layer.zip", tmp_path / "opt", "L")
    (tmp_path / "opt").rename(tmp_path / "moved")
    assert (tmp_path / "moved/python/link").read_text() == "here"


def test_more_than_lambda_allows_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "MAX_BYTES", 1000)
    (tmp_path / "layer.zip").write_bytes(zipped({"a": "0" * 600, "b": "0" * 600}))
    with pytest.raises(LivetuiError, match="more than 1000"):
        unpack(tmp_path / "layer.zip", tmp_path / "opt", "L")
    assert list((tmp_path / "opt").iterdir()) == []


def test_what_is_no_zip_is_told(tmp_path: Path) -> None:
    (tmp_path / "layer.zip").write_bytes(b"no zip")
    with pytest.raises(LivetuiError, match="cannot be unpacked"):
        unpack(tmp_path / "layer.zip", tmp_path / "opt", "L")
