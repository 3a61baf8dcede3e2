"""What test_oip.py has NVIDIA's client do; prints one JSON object. Usage: triton_client.py ADDRESS PICTURE TENSORS"""

import json
import sys

import numpy as np
import tritonclient.http as triton

OUTPUTS = ("num_detections", "boxes", "scores", "class_ids", "labels")


def tensor(name, array, datatype, binary=True):
    made = triton.InferInput(name, array.shape, datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def as_lists(result):
    arrays = {name: result.as_numpy(name) for name in OUTPUTS}
    assert all(array is not None for array in arrays.values())
    lists = {name: array.tolist() for name, array in arrays.items()}
    lists["labels"] = [[getattr(text, "decode", text.__str__)() for text in row] for row in lists["labels"]]
    lists["id"] = result.get_response().get("id")
    return lists


def failure(call):
    try:
        call()
    except triton.InferenceServerException as error:
        return {"status": error.status(), "message": error.message()}
    raise AssertionError("no exception")


def main():
    address, picture_path, tensors_path = sys.argv[1:]
    client = triton.InferenceServerClient(address)
    picture = np.array([open(picture_path, "rb").read()], dtype=object)
    tensors = np.load(tensors_path)
    json_outputs = [triton.InferRequestedOutput(name, binary_data=False) for name in OUTPUTS]
    ask = lambda *inputs, **more: as_lists(client.infer("codes", list(inputs), **more))
    print(json.dumps({
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": client.is_model_ready("codes"),
        "other_ready": client.is_model_ready("unicorn"),
        "server": client.get_server_metadata(),
        "model": client.get_model_metadata("codes", "1"),
        "picture": ask(tensor("image", picture, "BYTES"), request_id="mine"),
        "picture_as_json": ask(tensor("image", picture, "BYTES"), outputs=json_outputs),
        "column": ask(tensor("image", picture.reshape(1, 1), "BYTES")),
        "three": ask(tensor("image", np.concatenate([picture] * 3), "BYTES")),
        "strict": ask(tensor("image", picture, "BYTES"), parameters={"confidence": 0.9}),
        "patient": ask(tensor("image", picture, "BYTES"), timeout=20_000_000),
        "pixels": ask(tensor("pixels", tensors["pixels"], "UINT8")),
        "prepared": ask(tensor("tensor", tensors["prepared"], "FP32")),
        "prepared_as_json": ask(tensor("tensor", tensors["prepared"][:1], "FP32", binary=False)),
        "wrong_shape": failure(lambda: ask(tensor("tensor", tensors["prepared"][:, :, :64], "FP32"))),
        "wrong_type": failure(lambda: ask(tensor("tensor", tensors["pixels"], "UINT8"))),
        "no_model": failure(lambda: client.infer("unicorn", [tensor("image", picture, "BYTES")])),
        "no_picture": failure(lambda: ask(tensor("image", np.array([b"x"], dtype=object), "BYTES"))),
        "no_output": failure(lambda: ask(tensor("image", picture, "BYTES"),
                                         outputs=[triton.InferRequestedOutput("masks")])),
    }))  # fmt: skip


main()
