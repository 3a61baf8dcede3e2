"""LitServe: `serve_litserve.py PORT PROCESSES`. It takes no plain bytes, so pictures come as base64 in JSON."""

import base64
import sys

import litserve


class Api(litserve.LitAPI):
    def setup(self, device):
        from nanodet import Detector

        self.detector = Detector()

    def decode_request(self, request):
        return base64.b64decode(request["image"])

    def predict(self, data):
        return self.detector(data)

    def encode_response(self, answer):
        return answer


if __name__ == "__main__":
    server = litserve.LitServer(Api(api_path="/detect"), accelerator="cpu", workers_per_device=int(sys.argv[2]))
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="error")
