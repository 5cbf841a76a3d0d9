"""Layer versions that lie in the cloud: downloaded once, checked, and unpacked where workers can import from them.

A version's ARN and the SHA-256 of its zip name its folder in the user's cache, so nothing is downloaded twice and the
local cloud, which begins its versions anew with every run, is never mistaken for another.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import platformdirs

from livetui.aws import Aws
from livetui.errors import LivetuiError

MAX_BYTES = 250 * 1024 * 1024
"""Lambda's own limit for a function and its layers, unzipped (Lambda quotas, "Deployment package size")."""
_CHUNK = 1 << 18


def fetch_layer(aws: Aws, arn: str) -> Path:
    """The folder that is `/opt` of one layer version.

    Takes a call of `lambda:GetLayerVersion` and, the first time, a download. A layer of another account works when
    its policy lets this account read it. Raises `LivetuiError`, which says what is missing.
    """
    content = _look_up(aws, arn)
    expected, location = str(content.get("CodeSha256", "")), str(content.get("Location", ""))
    if not expected or not location:
        raise LivetuiError(f"The layer {arn} has no content that could be downloaded.",
                           hint="Install its packages here, or make it a folder of the template.")
    if int(content.get("CodeSize", 0)) > MAX_BYTES:
        raise LivetuiError(f"The layer {arn} has {content['CodeSize']} bytes, more than {MAX_BYTES}.")
    name = "-".join([*arn.split(":")[-2:], hashlib.sha256(f"{arn} {expected}".encode()).hexdigest()[:16]])
    target = Path(platformdirs.user_cache_dir("livetui")) / "layers" / name
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".partial-") as partial:
            _download(aws, arn, location, expected, Path(partial) / "layer.zip")
            unpack(Path(partial) / "layer.zip", Path(partial) / "opt", arn)
            _put(Path(partial) / "opt", target)
    return target


def _look_up(aws: Aws, arn: str) -> dict[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return dict(aws.client("lambda").get_layer_version_by_arn(Arn=arn)["Content"])
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        hint = ("Its own account must let this one read it: aws lambda add-layer-version-permission."
                if arn.split(":")[4] != aws.account else "Allow yourself lambda:GetLayerVersion on it.")
        if code == "ResourceNotFoundException":
            hint = "That version was deleted: use a newer one in the template, or install its packages here."
        raise LivetuiError(f"The layer {arn} cannot be read, so its packages are missing here.", str(error),
                           hint) from error
    except BotoCoreError as error:
        raise LivetuiError(f"The layer {arn} cannot be read, so its packages are missing here.",
                           str(error)) from error


def _download(aws: Aws, arn: str, location: str, expected: str, target: Path) -> None:
    """Through botocore's own HTTP: proxies and CA bundles count as they do for every other call."""
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import HTTPClientError
    from botocore.httpsession import URLLib3Session
    from botocore.utils import get_environ_proxies
    from urllib3.exceptions import HTTPError

    session = URLLib3Session(verify=aws.ca_bundle or True,
                             proxies={} if aws.access.is_local else get_environ_proxies(location))
    digest, size = hashlib.sha256(), 0
    try:
        response = session.send(AWSRequest("GET", location, stream_output=True).prepare())
        if response.status_code != 200:
            raise LivetuiError(f"The layer {arn} cannot be downloaded.", f"Its address answers {response.status_code}.")
        with target.open("wb") as file:
            for chunk in response.raw.stream(_CHUNK):
                size += len(chunk)
                if size > MAX_BYTES:
                    raise LivetuiError(f"The layer {arn} is larger than {MAX_BYTES} bytes.")
                digest.update(chunk)
                file.write(chunk)
    except (HTTPClientError, HTTPError, OSError) as error:
        raise LivetuiError(f"The layer {arn} cannot be downloaded.", str(error)) from error
    finally:
        session.close()
    if base64.b64encode(digest.digest()).decode() != expected:
        raise LivetuiError(f"The layer {arn} was damaged on its way: its SHA-256 is not what Lambda says.")


def unpack(archive: Path, target: Path, name: str) -> None:
    """Unzip with modes and links as Lambda does.

    Raises `LivetuiError` for files and links that do not end inside `target`, and for more than `MAX_BYTES` in all.
    """
    target.mkdir()
    links: list[tuple[Path, PurePosixPath]] = []
    try:
        with zipfile.ZipFile(archive) as opened:
            if sum(entry.file_size for entry in opened.infolist()) > MAX_BYTES:
                raise LivetuiError(f"The layer {name} unpacks to more than {MAX_BYTES} bytes.")
            for entry, path in _places(opened, target, name):
                mode = entry.external_attr >> 16
                if entry.is_dir():
                    path.mkdir(parents=True, exist_ok=True)
                elif stat.S_ISLNK(mode):
                    links.append((path, PurePosixPath(opened.read(entry).decode())))
                else:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with opened.open(entry) as source, path.open("wb") as file:
                        shutil.copyfileobj(source, file, _CHUNK)
                    path.chmod(0o755 if mode & 0o100 else 0o644)
        for path, leads_to in links:  # when all files are written, so that none is written through a link
            _link(path, leads_to, target)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, OSError) as error:
        raise LivetuiError(f"The layer {name} cannot be unpacked.", str(error)) from error
    for path, _ in links:
        if not _is_inside(path, target):
            raise LivetuiError(f"The layer {name} holds a link that leads out of it or nowhere: {path.name}.")


def _places(opened: zipfile.ZipFile, target: Path, name: str) -> Iterator[tuple[zipfile.ZipInfo, Path]]:
    for entry in opened.infolist():
        inside = PurePosixPath(entry.filename)
        drive = os.name == "nt" and ":" in entry.filename
        if inside.is_absolute() or ".." in inside.parts or "\\" in entry.filename or drive:
            raise LivetuiError(f"The layer {name} holds a file that leads out of its folder: {entry.filename!r}.")
        yield entry, target.joinpath(*inside.parts)


def _link(path: Path, leads_to: PurePosixPath, target: Path) -> None:
    """Make a link; one into `/opt` leads to the layer's own file."""
    if not _is_inside(path.parent, target):
        raise OSError(f"{path.name} lies behind a link that leads out of the layer")
    path.parent.mkdir(parents=True, exist_ok=True)
    if leads_to.parts[:2] == ("/", "opt"):
        leads_to = PurePosixPath(os.path.relpath(target.joinpath(*leads_to.parts[2:]), path.parent))
    path.symlink_to(leads_to)


def _is_inside(path: Path, target: Path) -> bool:
    try:
        return path.resolve().is_relative_to(target.resolve())
    except (OSError, RuntimeError):  # links that lead to each other
        return False


def _put(made: Path, target: Path) -> None:
    try:
        made.rename(target)
    except OSError:
        if not target.is_dir():  # else another console was faster
            raise
