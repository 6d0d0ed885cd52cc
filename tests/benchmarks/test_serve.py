"""What asks servers in benchmarks counts what it was answered, and the page prints what is there."""

import argparse
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.benchmarks import serve, serve_claims, serve_longer
from tests.benchmarks.environments import PEERS


class Server(BaseHTTPRequestHandler):
    """Turns every third away, fails at every tenth, and answers the others."""

    protocol_version = "HTTP/1.1"
    seen = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        Server.seen += 1
        self.send_response(503 if Server.seen % 3 == 0 else 500 if Server.seen % 10 == 0 else 200)
        self.send_header("content-length", "2")
        self.send_header("retry-after", "1")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@pytest.fixture
def url():
    Server.seen = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def asked(url, *said):
    command = [sys.executable, str(PEERS / "load.py"), url, *said]
    return json.loads(subprocess.run(command, input=b"{}", capture_output=True, check=True).stdout)


def test_what_is_turned_away_is_neither_answered_nor_an_error(url):
    said = asked(url, "60", "1")
    assert (said["answered"], said["errors"], said["away"]) == (36, 4, 20)


def test_it_ends_after_so_many_seconds(url):
    said = asked(url, "1000000000", "2", "0.5")
    assert 0 < said["answered"] < 1_000_000
    assert said["seconds"] >= 0.5


def test_who_is_patient_waits_as_long_as_told(url):
    hasty, patient = asked(url, "1000000000", "1", "2"), asked(url, "1000000000", "1", "2", "patient")
    assert patient["away"] <= 3 < hasty["away"], "a second each, which the server asks for"
    assert patient["answered"] > 0


def test_the_page_prints_what_was_measured_and_nothing_else():
    about = {"command": "python -m it", "commit": "0" * 7, "machine": "2 cores"}
    one = {"cpu_ms": 1.0, "per_s": 100.0, "p50_ms": 1.0, "p99_ms": 2.0, "errors": 0, "away": 3}
    its = {"text": {"1": one}, "image": {"64": one}, "seconds": 60.0, **about}
    assert list(serve_longer.page({})) == []
    lines = list(serve_longer.page({"sustained": its}))
    assert "| texts, by Triton | 1 | 100/s | 1 and 2 ms | 0 | 3 |" in lines
    assert "| pictures, by Triton | 64 | 100/s | 1 and 2 ms | 0 | 3 |" in lines
    both = list(serve_longer.page({"sustained": its | {"in_process": {"text": {"4": one}, "image": {}}}}))
    assert "| texts, in process | 4 | 100/s | 1 and 2 ms | 0 | 3 |" in both
    beside = list(serve_longer.page({"sustained": its | {"fastapi": {"text": {"4": one}, "image": {}}}}))
    assert "| texts, plain FastAPI | 4 | 100/s | 1 and 2 ms | 0 | 3 |" in beside
    soak = {
        "requests": 100_000,
        "errors": 0,
        "away": 0,
        "memory_mb": [400.0, 410.0],
        "grown": 0.025,
        "seconds": 9,
        **about,
    }
    assert "go from 400 to 410 MB, by Triton (+2.5%), with 0 errors" in "".join(serve_longer.page({"soak": soak}))
    here = soak | {"memory_mb": [500.0, 520.0], "grown": 0.04}
    said = "".join(serve_longer.page({"soak": soak | {"in_process": here}}))
    assert "(+2.5%), with 0 errors; from 500 to 520 MB, in process (+4.0%), with 0 errors" in said


def test_the_page_prints_what_was_turned_away_of_both_ways_and_of_those_who_wait():
    about = {"command": "python -m it", "commit": "0" * 7, "machine": "2 cores"}

    def one(away):
        its = {"answered": 50, "cpu_ms": 0.5, "per_s": 100.0, "p99_ms": 30.0, "errors": 0, "away": away}
        return its | {"p99_ms_with_room": 20.0, "patient": its | {"away": 50, "p99_ms": 10.0}}

    both = {what: one(150) for what in ("text", "image")}
    its = {**both, "in_process": {what: one(450) for what in both}, "clients": 256, "room": 64, "seconds": 60.0, **about}  # fmt: skip
    lines = list(serve_longer.page({"overload": its}))
    assert (
        "| texts, by Triton; clients ask again at once | 100/s | 0.50 | 30 ms (20 with 64 clients) | 75% | 0 |" in lines
    )
    assert "| pictures, in process; clients ask again at once | 100/s | 0.50 | 30 ms (20 with 64 clients) | 90% | 0 |" in lines  # fmt: skip
    assert "| pictures, in process; they wait as long as told | 100/s | 0.50 | 10 ms | 50% | 0 |" in lines


def test_a_request_over_grpc_has_a_row_for_each_number_of_rows():
    its = {what: {"ratio": 3.0, "rows": {"32": {"ratio": 1.05}}} for what in ("text", "image")}
    said = "\n".join(serve_claims.claims({"sides": {}, "gateway_adds_cpu_ms": {"text": 1.0}, "grpc": its}))
    assert "more CPU than onnxruntime | 3.00 times for texts, 3.00 times for pictures | **does not hold** |" in said
    assert "onnxruntime, 32 rows a request | 1.05 times for texts, 1.05 times for pictures | holds |" in said


@pytest.mark.parametrize(("here", "verdict"), [(1.9, "holds"), (2.1, "**does not hold**")])
def test_what_bounds_the_slowest_and_memory_is_asked_of_both_ways(here, verdict):
    overload = {what: {"slower": 1.5} for what in ("text", "image")} | {"clients": 256, "room": 64}
    overload["in_process"] = {what: {"slower": here} for what in ("text", "image")}
    soak = {"requests": 100_000, "grown": 0.02, "in_process": {"grown": 0.02 if here < 2 else 0.06}}
    said = "\n".join(serve_claims.claims({"sides": {}, "gateway_adds_cpu_ms": {"text": 1.0}, "overload": overload, "soak": soak}))  # fmt: skip
    assert f"within twice that at 64 | 1.5 times, by Triton, {here} times, in process | {verdict} |" in said
    assert f"100,000 requests | +2.0%, by Triton, {'+2.0%' if here < 2 else '+6.0%'}, in process | {verdict} |" in said


def cost(cpu_ms, per_s):
    return {"cpu_ms": cpu_ms, "per_s": per_s, "errors": 0}


def claimed(gateway, peer, **more):
    """The table of a gateway and two peers, of which each text and each picture costs the same; clients -> cost."""
    sides = {"gateway": gateway, "fastapi": peer, "mlflow": peer}
    both = {name: {"text": its, "image": its} for name, its in sides.items()}
    return "\n".join(serve_claims.claims({"sides": both, "gateway_adds_cpu_ms": {"text": 1.0, "image": 1.2}, **more}))


def test_ahead_is_ahead_in_both_numbers_at_every_number_of_clients():
    peer = {"1": cost(1.0, 100), "64": cost(1.0, 100)}
    assert "**does not hold**" not in claimed({"1": cost(0.9, 110), "64": cost(0.9, 110)}, peer)
    dearer = claimed({"1": cost(1.1, 110), "64": cost(0.9, 110)}, peer)
    assert "behind with texts at 1; behind with pictures at 1 | **does not hold**" in dearer
    assert "behind with texts at 64" in claimed({"1": cost(0.9, 110), "64": cost(0.9, 90)}, peer)


def test_a_peer_that_was_asked_has_a_row_of_its_own():
    each = {name: {what: {"1": cost(of, 100 / of)} for what in ("text", "image")} for name, of in (("gateway", 1.0), ("fastapi", 0.9), ("mlflow", 1.1), ("infinity", 1.2))}  # fmt: skip
    said = list(serve_claims.claims({"sides": each, "gateway_adds_cpu_ms": {"text": 1.0}}))
    verdicts = {line.split("ahead of ")[1].split(" at each")[0]: line.split(" | ")[2] for line in said if "Triton: ahead of" in line}  # fmt: skip
    assert verdicts == {"plain FastAPI": "**does not hold** |", "MLflow's pyfunc": "holds |", "infinity-emb": "holds |"}


def test_a_gateway_that_runs_encoders_itself_is_held_against_each_peer_too_by_its_own_minute():
    each = {name: {what: {"1": cost(of, 100 / of)} for what in ("text", "image")} for name, of in (("gateway", 1.2), ("in_process", 0.8), ("fastapi", 1.0))}  # fmt: skip
    slow, quick = ({what: {"1": cost(of, 100 / of)} for what in ("text", "image")} for of in (1.3, 0.9))

    def verdicts(**minutes):
        said = serve_claims.claims({"sides": each, "gateway_adds_cpu_ms": {"text": 1.0}, "sustained": {**minutes, "seconds": 60.0}})  # fmt: skip
        return [
            line.rpartition(" | ")[2] for line in said if ": ahead of plain FastAPI" in line and "larger" not in line
        ]

    assert verdicts(**slow, in_process=quick) == ["holds |", "**does not hold** |"]
    assert verdicts(**quick, in_process=slow) == ["**does not hold** |", "**does not hold** |"]
    broken = {"text": {"1": cost(0.9, 110) | {"errors": 2}}, "image": quick["image"]}
    said = "\n".join(serve_claims.claims({"sides": each, "gateway_adds_cpu_ms": {"text": 1.0}, "sustained": {**quick, "in_process": broken, "seconds": 60.0}}))  # fmt: skip
    assert "without an error | 2 errors | **does not hold** |" in said


def test_a_lead_in_a_burst_that_a_minute_takes_back_does_not_hold():
    peer, ours = {"64": cost(1.0, 100)}, {"64": cost(0.5, 200)}
    minute = {"text": {"64": cost(1.2, 90)}, "image": {"64": cost(0.8, 120)}, "seconds": 60.0}
    said = claimed(ours, peer, sustained=minute)
    assert "ahead with texts at 64 in a burst alone, behind over a minute | **does not hold**" in said
    assert "pictures at 64" not in said


def test_a_minute_is_held_against_the_minute_of_a_peer_that_was_asked_for_one():
    peer, ours, minute = {"64": cost(1.0, 100)}, {"64": cost(0.5, 200)}, {"64": cost(1.2, 90)}
    both = {"text": minute, "image": minute, "seconds": 60.0}
    worse = {what: {"64": cost(1.3, 80)} for what in ("text", "image")}
    rows = claimed(ours, peer, sustained=both | {"fastapi": worse}).split("\n")
    (beside_fastapi,), (beside_mlflow,) = ([row for row in rows if f"Triton: ahead of {name}" in row] for name in ("plain FastAPI", "MLflow"))  # fmt: skip
    assert beside_fastapi.endswith("| ahead at each | holds |")
    assert "in a burst alone, behind over a minute | **does not hold** |" in beside_mlflow


def test_a_minute_on_another_machine_takes_no_lead_back():
    peer, ours = {"64": cost(1.0, 100)}, {"64": cost(0.5, 200)}
    minute = {"text": {"64": cost(1.2, 90)}, "image": {"64": cost(1.2, 90)}, "seconds": 60.0, "machine": "another"}
    assert "in a burst alone" not in claimed(ours, peer, sustained=minute, machine="this")
    assert "in a burst alone" in claimed(ours, peer, sustained=minute, machine="another")


def test_what_was_not_measured_is_said_so():
    said = claimed({"1": cost(0.9, 110)}, {"1": cost(1, 100)})
    for promised in ("infinity-emb", "than onnxruntime |", "of the larger model", "`diptych embed`", "60 s", "turning away", "memory stays", "perf_analyzer", "in a 32nd", "1,000,000 vectors", "int8"):  # fmt: skip
        lines = [line for line in said.split("\n") if promised in line]
        assert lines
        assert all(line.endswith("| *not measured* | |") for line in lines), lines


def test_codes_hold_by_what_a_process_holds_and_not_by_the_size_of_a_file():
    codes = {"p50_ms": 4.0, "recall_at_10": 0.99, "memory_mb": 66.0, "resident": True}
    vectors = {"rows": 1_000_000, "width": 512, "sides": {"codes": codes, "faiss flat": {"memory_mb": 2048.0}}}

    def said(**changed):
        its = {**vectors, "sides": {**vectors["sides"], "codes": codes | changed}}
        sides = {name: {what: {"1": cost(1, 1)} for what in ("text", "image")} for name in ("gateway", "fastapi", "mlflow")}  # fmt: skip
        return "\n".join(serve_claims.claims({"sides": sides, "gateway_adds_cpu_ms": {"text": 1.0}}, its))

    assert "| 99.0%, 66 of 2,048 MB | holds |" in said()
    assert "| 99.0%, 128 of 2,048 MB | **does not hold** |" in said(memory_mb=128.0)
    assert "*not measured* for memory | holds, as far" in said(resident=False)
    assert "| 11.0 ms, 0.990 | **does not hold** |" in said(p50_ms=11.0)
    vectors["sides"]["search by vector"] = {"p50_ms": 10.5}
    assert "| 10.5 ms, 0.990 | **does not hold** |" in said(), "with all that an answer holds"


def test_int8_keeps_its_promise_where_it_is_not_offered():
    slow = {"times": 0.25, "recall_before": 0.9, "recall_after": 0.9, "offered": False}
    sides = {name: {what: {"1": cost(1, 1)} for what in ("text", "image")} for name in ("gateway", "fastapi", "mlflow")}

    def said(**text):
        kinds = {"int8": {"text": slow | text, "image": slow}}
        return "\n".join(
            serve_claims.claims({"sides": sides, "gateway_adds_cpu_ms": {"text": 1.0}}, None, {"kinds": kinds})
        )

    assert "0.25 times for texts, not offered, 0.25 times for pictures, not offered | holds |" in said()
    assert "1.60 times for texts, offered" in said(offered=True, times=1.6)
    assert "not offered | **does not hold** |" in said(offered=True)
    assert "not offered | **does not hold** |" in said(offered=True, times=1.6, recall_after=0.89)


def test_what_was_measured_in_part_is_not_said_to_hold_whole():
    said = claimed({"1": cost(0.9, 110)}, {"1": cost(1, 100)}, gateway_adds_cpu_ms={"text": 1.4})
    assert "1.4 for texts, *not measured* for pictures | holds, as far as it was measured |" in said


def test_triton_over_grpc_may_take_a_tenth_more():
    grpc = {"text": {"ratio": 1.09}, "image": {"ratio": 1.11}}
    sides = {"1": cost(0.9, 110)}, {"1": cost(1, 100)}
    assert "1.09 times for texts, 1.11 times for pictures | **does not hold** |" in claimed(*sides, grpc=grpc)


def test_the_command_that_is_kept_measures_the_same_again():
    given = argparse.Namespace(
        requests=300, turns=2, seconds=60.0, soak=100_000, workspace=serve.ROOT, recipe=serve.RECIPE, larger=False
    )
    assert serve.command_of("cost", given) == "python -m tests.benchmarks.serve --requests 300 --turns 2 --keep"
    assert serve.command_of("soak", given) == "python -m tests.benchmarks.serve --measure soak --soak 100000 --keep"
    assert "--seconds 60 --keep" in serve.command_of("overload", given)
    given.workspace, given.recipe = Path("else where"), "siglip"
    assert serve.command_of("embed", given).endswith(" --turns 2 --workspace 'else where' --recipe siglip --keep")
    given.recipe, given.larger = serve.RECIPE, True
    assert serve.command_of("grpc", given).endswith(" --workspace 'else where' --larger --keep")


def test_a_measure_takes_the_place_of_its_own_numbers_and_of_no_others(tmp_path):
    path = tmp_path / "serve.json"
    before = {"bench": "serve", "requests": 1, "commit": "old", "grpc": {"commit": "old"}, "soak": {"commit": "old"}}
    path.write_text(json.dumps(before))
    measures = {"cost": lambda: {"requests": 2, "commit": "new"}, "soak": lambda: {"commit": "new"}}
    said = serve.gathered(measures, path)
    assert said == {"bench": "serve", "requests": 2, "commit": "new", "grpc": {"commit": "old"}, "soak": {"commit": "new"}}  # fmt: skip
    assert json.loads(path.read_text()) == said
    assert [one.name for one in tmp_path.iterdir()] == ["serve.json"]


def test_numbers_of_a_larger_model_lie_apart(tmp_path):
    path = tmp_path / "serve.json"
    path.write_text(json.dumps({"bench": "serve", "requests": 1, "grpc": {"commit": "old"}}))
    serve.gathered({"cost": lambda: {"requests": 2}, "grpc": lambda: {"commit": "new"}}, path, larger=True)
    larger = {"requests": 2, "grpc": {"commit": "new"}}
    assert json.loads(path.read_text()) == {"bench": "serve", "requests": 1, "grpc": {"commit": "old"}, "larger": larger}  # fmt: skip


def test_the_larger_model_has_a_table_of_its_own():
    about = {"command": "python -m it", "commit": "0" * 7, "machine": "2 cores"}
    each = {str(clients): {**cost(1.0, 100), "p50_ms": 1.0, "p99_ms": 2.0} for clients in serve.AT_ONCE}
    one = {
        "sides": {name: {"text": each, "image": each} for name in serve.SIDES}, "gateway_adds_cpu_ms": {"text": 1.0, "image": 1.0}, "requests": 9,
        **{name: {"text": {"cpu_ms": 1.0}, "image": {"cpu_ms": 1.0}} for name in ("onnxruntime", "triton")}, "versions": {"mlflow": "3", "fastapi": "0"}, **about,
    }  # fmt: skip
    heavy = {"cpu_ms": 41.0, "per_s": 24.0, "p50_ms": 41.0, "p99_ms": 45.0, "errors": 0}
    sides = {name: {what: dict.fromkeys(each, heavy) for what in ("text", "image")} for name in serve.SIDES}
    asked = {"triton_cpu_ms": 42.0, "onnxruntime_cpu_ms": 40.0, "ratio": 1.05, "threads": 2, "onnxruntime_one_thread_cpu_ms": 38.0}  # fmt: skip
    over = {what: {**asked, "rows": {"8": {"ratio": 0.9}}} for what in ("text", "image")}
    embed = {"ours": 42.0, "onnxruntime": 30.0, "ratio": 1.4, "cpu_ms": {"ours": 48.0, "onnxruntime": 66.0}}
    larger = {**one, "sides": sides, "encoders_mb": 140.0, "grpc": {**over, **about}, "embed": {**embed, **about}}
    small, page = serve.page(one), serve.page(one | {"larger": larger})
    said, promises = page["larger"], page["promises"]
    assert "Its two encoders are 140 MB" in said
    assert "| a picture | 64 | 41.0 ms, 24/s, 41 and 45 ms |" in said
    assert "42.0 for a text (onnxruntime on 2 threads, as Triton's, 40.0, on one 38.0)" in said
    assert "asked for 8 at a time, 0.90 times what onnxruntime takes for texts and 0.90 times for pictures" in said
    assert "`diptych embed` does 42 pictures with a caption a second" in said
    assert (
        "of the larger model, on as many threads | 1.05 times for texts, 1.05 times for pictures | holds |" in promises
    )
    assert "of the larger model, on as many threads | *not measured* | |" in small["promises"]
    for table, measured in (
        (promises, "behind with texts at 1, 4, 16, 64; behind with pictures at 1, 4, 16, 64 | **does not hold** |"),
        (small["promises"], "*not measured* | |"),
    ):
        rows = [line for line in table.split("\n") if ", of the larger model: ahead of" in line]
        assert [row.split(" | ", 1)[1] for row in rows] == [measured] * 6
        assert [row.partition(", of the larger")[0].strip("| ") for row in rows] == [its for its in serve_claims.OURS.values() for _ in range(3)]  # fmt: skip
    assert small["larger"] == ""
    assert {name: small[name] for name in ("answers", "longer")} == {name: page[name] for name in ("answers", "longer")}


def test_what_was_measured_is_kept_though_the_next_one_fails(tmp_path):
    def fails():
        raise SystemExit("perf_analyzer ended with 99")

    path = tmp_path / "serve.json"
    with pytest.raises(SystemExit):
        serve.gathered({"soak": lambda: {"requests": 9}, "perf": fails}, path)
    assert json.loads(path.read_text()) == {"bench": "serve", "soak": {"requests": 9}}


def test_nothing_is_written_or_read_where_nothing_is_kept(tmp_path):
    assert serve.gathered({"soak": lambda: {"requests": 9}}, None) == {"bench": "serve", "soak": {"requests": 9}}


def test_a_gateway_that_takes_another_number_than_users_have_is_told():
    its = {"command": "it", "commit": "0", "machine": "2 cores", "in_flight": 128}
    soak = {"requests": 100, "errors": 0, "memory_mb": [1.0, 1.0], "grown": 0.0, **its}
    assert "took 128 requests at once; by default it takes 64." in "".join(serve_longer.page({"soak": soak}))
    assert "by default" not in "".join(serve_longer.page({"soak": soak | {"in_flight": 64}}))


def test_a_report_of_perf_analyzer_is_in_microseconds():
    report = (
        "Concurrency,Inferences/Second,p50 latency,p90 latency,p95 latency,p99 latency\n4,812.34,4100,5000,6000,9876\n"
    )
    assert serve_longer.perf_row(report) == {"per_s": 812.3, "p50_ms": 4.1, "p99_ms": 9.88}
