"""The local cloud: who may use it, what functions in it see, and that nothing of it outlives its owner."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from livetui.aws import Aws
from livetui.cloud import LocalCloud, RunningCloud
from livetui.cloud.record import RECORD_NAME, CloudRecord
from livetui.errors import UsageError
from tests.integration.cloud.conftest import deploy_function, invoke, wait_until

ENVIRONMENT_OF_A_FUNCTION = "import os\ndef handler(event, context): return dict(os.environ)\n"


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def processes_of(record: CloudRecord) -> list[psutil.Process]:
    supervisor = psutil.Process(record.pid)
    return [supervisor, *supervisor.children(recursive=True)]


def nothing_is_left(record: CloudRecord, processes: list[psutil.Process]) -> bool:
    return (not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)
            and refuses(record.gateway_port) and refuses(record.front_port)
            and not Path(record.ca_bundle).parent.exists())


def test_the_access_is_the_root_user_of_the_region(local_cloud: LocalCloud) -> None:
    aws = Aws(local_cloud.access)

    assert aws.client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:root"
    assert aws.region == "eu-west-1"


@pytest.mark.parametrize("key", ["test", "123456789012", "AKIAIOSFODNN7EXAMPLE"])
def test_a_key_that_was_not_made_for_this_run_is_refused(local_cloud: LocalCloud, key: str) -> None:
    stranger = Aws(replace(local_cloud.access, access_key_id=key, secret_access_key="test"))

    with pytest.raises(stranger.client("lambda").exceptions.ClientError, match="UnrecognizedClientException"):
        stranger.client("lambda").list_functions()


def test_it_listens_on_loopback_only(local_cloud: LocalCloud) -> None:
    listening = {
        connection.laddr.ip
        for process in processes_of(local_cloud.record)
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }

    assert listening <= {"127.0.0.1", "::1"}
    assert "127.0.0.1" in listening


def test_its_folder_is_private(local_cloud: LocalCloud) -> None:
    folder = Path(local_cloud.record.ca_bundle).parent

    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "server.key").stat().st_mode & 0o777 == 0o600


def test_a_function_sees_its_own_role_and_nothing_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVELOPERS_SECRET", "hunter2")
    monkeypatch.setenv("AWS_PROFILE", "developer")
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    with LocalCloud.start() as cloud:
        monkeypatch.undo()
        aws = Aws(cloud.access)
        environment = invoke(aws, deploy_function(aws, ENVIRONMENT_OF_A_FUNCTION))

    assert "hunter2" not in environment.values()
    assert {"DEVELOPERS_SECRET", "AWS_PROFILE", "LOG_LEVEL", "PYTHONPATH"}.isdisjoint(environment)
    assert environment["HOME"] != os.environ["HOME"]
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert cloud.record.secret_access_key not in environment.values()


def test_boto3_inside_a_function_reaches_the_cloud_as_the_functions_role(aws: Aws) -> None:
    source = "import boto3\ndef handler(event, context): return boto3.client('sts').get_caller_identity()['Arn']\n"
    name = deploy_function(aws, source)

    assert f":assumed-role/role-{name}/" in invoke(aws, name)


def test_a_call_that_the_role_does_not_allow_is_refused(aws: Aws) -> None:
    source = """
import boto3
def handler(event, context):
    try:
        boto3.client("dynamodb").list_tables()
    except Exception as error:
        return error.response["Error"]["Code"]
"""
    assert invoke(aws, deploy_function(aws, source)) == "AccessDeniedException"


def test_the_environment_is_enough_for_boto3_without_any_argument(local_cloud: LocalCloud, tmp_path: Path) -> None:
    script = ("import boto3; s3 = boto3.client('s3'); s3.create_bucket(Bucket='from-the-environment',"
              "CreateBucketConfiguration={'LocationConstraint': 'eu-west-1'});"
              "s3.put_object(Bucket='from-the-environment', Key='k', Body=b'v');"
              "print(boto3.client('sts').get_caller_identity()['Arn'])")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **local_cloud.environment()}
    printed = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True,
                             check=True, timeout=60).stdout

    assert printed.strip() == "arn:aws:iam::000000000000:root"


def test_two_clouds_run_side_by_side_and_know_nothing_of_each_other(local_cloud: LocalCloud) -> None:
    with LocalCloud.start(region="us-west-2") as other:
        Aws(other.access).client("sqs").create_queue(QueueName="only-in-the-other")

        assert other.record.gateway_port != local_cloud.record.gateway_port
        assert not Aws(local_cloud.access).client("sqs").list_queues(QueueNamePrefix="only-in-the").get("QueueUrls")
        only_one = ssl.create_default_context(cafile=local_cloud.record.ca_bundle)
        with (socket.create_connection(("127.0.0.1", other.record.gateway_port), timeout=10) as connection,
              pytest.raises(ssl.SSLCertVerificationError)):
            only_one.wrap_socket(connection, server_hostname="127.0.0.1")


def test_stop_leaves_no_process_port_or_folder() -> None:
    cloud = LocalCloud.start()
    processes = processes_of(cloud.record)

    cloud.stop()

    assert nothing_is_left(cloud.record, processes)
    cloud.stop()  # a second time is no error


@pytest.mark.parametrize("port", ["port", "front_port"])
def test_a_port_in_use_is_one_clear_message(port: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        number = holder.getsockname()[1]
        with pytest.raises(UsageError) as refused:
            LocalCloud.start(**{port: number})

    assert str(number) in refused.value.what
    assert refused.value.hint


def test_a_chosen_port_is_the_one_that_serves() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]

    with LocalCloud.start(port=free) as cloud:
        assert cloud.access.endpoint_url == f"https://127.0.0.1:{free}"


def test_a_missing_extra_is_named() -> None:
    script = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("ministack", "cryptography", "samtranslator"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
import importlib.util
real = importlib.util.find_spec
def find_spec(name, package=None):
    try:
        return real(name, package)
    except ModuleNotFoundError:
        return None
importlib.util.find_spec = find_spec
from livetui.cloud import LocalCloud
from livetui.errors import UsageError
try:
    LocalCloud.start()
except UsageError as error:
    print(error)
"""
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)

    assert "pip install 'livetui[local]'" in printed.stdout


PARENT = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from livetui.aws import Aws
from livetui.cloud import LocalCloud
from tests.integration.cloud.conftest import deploy_function, invoke
cloud = LocalCloud.start(state=Path(sys.argv[1]))
aws = Aws(cloud.access)
name = deploy_function(aws, "def handler(event, context): return 1")
assert invoke(aws, name) == 1
print(json.dumps(asdict(cloud.record)), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], CloudRecord]]:
    """Another process that owns a cloud in which a Lambda process is warm."""
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True, cwd=Path(__file__).parents[3]) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield process, CloudRecord.parse(line)
        process.kill()


def test_sigkill_of_the_parent_leaves_nothing(parent: tuple[subprocess.Popen[str], CloudRecord],
                                              tmp_path: Path) -> None:
    process, record = parent
    processes = processes_of(record)
    assert len(processes) >= 3, "supervisor, gateway and a warm Lambda process"

    process.send_signal(signal.SIGKILL)

    wait_until(lambda: nothing_is_left(record, processes), "process, ports and folder are gone")
    assert not (tmp_path / RECORD_NAME).exists()


def test_sigkill_of_the_supervisor_ends_the_emulator_and_its_functions(
    parent: tuple[subprocess.Popen[str], CloudRecord],
) -> None:
    _, record = parent
    processes = processes_of(record)

    os.kill(record.pid, signal.SIGKILL)

    wait_until(lambda: nothing_is_left(record, processes), "process, ports and folder are gone")


def test_another_command_finds_uses_and_stops_the_projects_cloud(
    parent: tuple[subprocess.Popen[str], CloudRecord], tmp_path: Path
) -> None:
    _, record = parent
    processes = processes_of(record)

    found = LocalCloud.find(tmp_path)
    assert found is not None
    assert (tmp_path / RECORD_NAME).stat().st_mode & 0o777 == 0o600
    assert Aws(found.access).account == "000000000000"

    found.stop()
    assert refuses(record.gateway_port)
    wait_until(lambda: nothing_is_left(record, processes), "process, ports and folder are gone", seconds=5)
    assert LocalCloud.find(tmp_path) is None


def test_a_record_of_something_else_is_not_taken_for_ours(local_cloud: LocalCloud, tmp_path: Path) -> None:
    with LocalCloud.start() as other:
        forged = replace(local_cloud.record, gateway_port=other.record.gateway_port)
        forged.write(tmp_path / RECORD_NAME)

        assert LocalCloud.find(tmp_path) is None
        RunningCloud(forged).stop()
        assert other.is_alive and local_cloud.is_alive


@pytest.mark.parametrize("content", ["", "{}", "[1]", json.dumps({"pid": 1})])
def test_an_unreadable_record_is_no_cloud(tmp_path: Path, content: str) -> None:
    (tmp_path / RECORD_NAME).write_text(content)

    assert LocalCloud.find(tmp_path) is None
