"""`spotter serve --backend cuda`: answers, batches, several GPUs. What fails is in tests/cuda."""
import concurrent.futures
import json
import threading

import pytest
from emulated import ROOT, SHARED, http_servers, serve

PICTURE = (ROOT / "docs" / "images" / "sample.jpg").read_bytes()


def detections(server, picture=PICTURE):
    reply = server.post(picture)
    assert reply.status == 200, reply.body
    return reply.json["detections"]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What the CPU backend finds in the sample."""
    server = serve(tmp_path_factory.mktemp("cpu"), "--precision", "f32", backend="cpu")
    found = detections(server)
    server.stop()
    assert found
    return found


def agree(found, wanted, score=0.02, pixels=2):
    """The same boxes, in any order among those of like scores."""
    assert len(found) == len(wanted)
    for one in wanted:
        assert any(other["class_id"] == one["class_id"]
                   and abs(other["confidence"] - one["confidence"]) <= score
                   and all(abs(other["box"][side] - one["box"][side]) <= pixels for side in one["box"])
                   for other in found), (one, found)


@pytest.mark.parametrize("precision, order", [("f32", "lazy"), ("f16", "eager"), ("f16", "random:3")])
def test_boxes_are_those_of_the_cpu(expected, tmp_path, precision, order):
    server = serve(tmp_path, "--precision", precision, order=order, checks="bounds")
    agree(detections(server), expected)
    server.stop()


def test_what_shares_a_batch_does_not_matter(tmp_path):
    server = serve(tmp_path, "--batch-max-size", 3, "--batch-max-delay-ms", 200, checks="bounds")
    alone, seen = detections(server), []
    others = [http_servers.png(60 + 17 * i, 200 - 31 * i) for i in range(4)]
    threads = [threading.Thread(target=lambda p=picture: seen.append((p, server.post(p))))
               for picture in (PICTURE, *others, PICTURE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [reply.status for _, reply in seen] == [200] * 6
    assert [reply.json["detections"] for picture, reply in seen if picture == PICTURE] == [alone] * 2
    server.stop()


def test_two_gpus_share_the_work(expected, tmp_path):
    server = serve(tmp_path, "--precision", "f32", devices=2, checks="bounds")
    assert "2 x Emulated GPU" in server.log()
    for _ in range(4):
        agree(detections(server), expected)
    server.stop()


def test_two_gpus_of_a_kind_give_the_same_bytes(tmp_path):
    """What is faster is timed on one of them and holds for both, though spans go by chance in emulation."""
    server = serve(tmp_path, "--batch-max-size", 1, devices=2, checks="bounds", plugin="plans=off")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:  # the four lanes get two each
        found = list(pool.map(lambda _: detections(server), range(8)))
    assert all(one == found[0] for one in found)
    server.stop()


# ---- the reference results ----

SIDES = ("x_min", "y_min", "x_max", "y_max")


def is_found(one, wanted, score=0.02, iou=0.95):
    """A box of like score that covers the same."""
    found = [one["box"][side] for side in SIDES]
    common = [max(found[0], wanted["box"][0]), max(found[1], wanted["box"][1]),
              min(found[2], wanted["box"][2]), min(found[3], wanted["box"][3])]
    area, other, shared = (max(box[2] - box[0], 0) * max(box[3] - box[1], 0) for box in (found, wanted["box"], common))
    return (one["label"] == wanted["class_name"] and abs(one["confidence"] - wanted["score"]) <= score
            and shared > iou * (area + other - shared))


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not there")
@pytest.mark.parametrize("precision", ["f32", "f16"])
def test_stable_boxes_of_the_reference_are_found(tmp_path, precision):
    """NanoDet-m 320, as tests/http/test_goldens.py asks the CPU."""
    weights = SHARED / "weights" / "nanodet-m-320.safetensors"
    server = serve(tmp_path, "--precision", precision, weights=weights, checks="bounds")
    checked = 0
    for path in sorted((SHARED / "goldens" / "nanodet-m-320").glob("*.json")):
        golden = json.loads(path.read_text())
        if "detections" not in golden or "params" not in golden:
            continue
        params = golden["params"]
        picture = (SHARED / "images" / golden["image"]).read_bytes()
        reply = server.post(picture, f"/detect?confidence={params['score_threshold']}"
                            f"&iou={params['iou_threshold']}&max_detections={params['max_detections']}")
        assert reply.status == 200, reply.body
        for wanted in golden["detections"]:
            if wanted["stable"]:
                checked += 1
                assert any(is_found(one, wanted) for one in reply.json["detections"]), (path.name, wanted, reply.json)
    assert checked >= 15
    server.stop()
