"""Every case of cases.py, and the shared conformance cases where they are at hand."""
import importlib.util
import subprocess
import sys

import pytest

import cases
from client import talk
from servers import ROOT

CHECK = ROOT.parent / "shared/conformance/check.py"


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_a_case_gets_its_statuses_and_the_server_goes_on(any_server, case):
    count = max(len([status for status in statuses if status >= 200]) for statuses in case.statuses)
    # A connection that must close is read to its end; one that must stay is watched for a while.
    quiet = 3.0 if case.closes else 0.05
    reply = talk(any_server.address, case.data, count, piece=case.piece, head_requests=case.head, quiet=quiet)
    assert reply.statuses in case.statuses, reply.raw[:500]
    assert all(answer.is_whole for answer in reply.answers)
    assert not reply.reset, "a reset can destroy the answer on its way"
    if case.closes is not None:
        assert reply.closed == case.closes
    assert case.has in reply.raw
    assert talk(any_server.address, cases.request(cases.BODY, "Connection: close"), quiet=0.0).statuses == [200]


def test_names_of_cases_are_distinct():
    names = [case.name for case in cases.CASES]
    assert len(names) == len(set(names))


def test_the_shared_http_cases_pass(any_server):
    if not CHECK.exists():
        pytest.skip("../shared/conformance is not here")
    spec = importlib.util.spec_from_file_location("shared_cases", CHECK.with_name("cases.py"))
    shared = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shared)
    names = [case["name"] for case in shared.CASES if not case["name"].startswith("json-")]
    assert len(names) > 40
    host, port = any_server.address
    command = [sys.executable, str(CHECK), host, str(port), "--", *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
