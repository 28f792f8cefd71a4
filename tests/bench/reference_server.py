"""The paper's stack as one would write it: Flask and waitress in front of pydicom, scikit-image and PyTorch.

    reference_server.py --bundle bundle.pt [--threads 4] [--torch-threads 2]

POST /v1/predict with one CT DICOM slice gives {"probabilities": {class: p}}; prints `listening PORT`. The preprocessing is
reference_preprocess.py, the model the very bundle that pulmo-serve loads.
"""
import argparse
import io
import json
import threading

import flask
import numpy as np
import pydicom
import torch
import waitress

import reference_preprocess


def make_app(bundle, torch_threads):
    torch.set_num_threads(torch_threads)
    extra = {"pulmo.json": ""}
    module = torch.jit.load(bundle, _extra_files=extra).eval()
    metadata = json.loads(extra["pulmo.json"])
    if metadata["spec"]["size_px"] != reference_preprocess.SIZE:
        raise SystemExit(f"the bundle must take {reference_preprocess.SIZE} px")
    module = torch.jit.optimize_for_inference(torch.jit.freeze(module))
    module(torch.zeros(1, 1, reference_preprocess.SIZE, reference_preprocess.SIZE))
    app = flask.Flask(__name__)
    local = threading.local()
    one_at_a_time = threading.Lock()  # else the threads' OpenMP teams fight: no reply within 6 s to 16 clients on two cores

    @app.post("/v1/predict")
    def predict():
        if not getattr(local, "told", False):  # PyTorch keeps the count per thread
            torch.set_num_threads(torch_threads)
            local.told = True
        dataset = pydicom.dcmread(io.BytesIO(flask.request.get_data()))
        hu = dataset.pixel_array.astype(np.float32) * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        try:
            image, _ = reference_preprocess.preprocess(hu)
        except reference_preprocess.NoLung:
            return {"error": {"code": "no_lung"}}, 422
        batch = torch.from_numpy(image.astype(np.float32) / 65535)[None, None]
        with one_at_a_time, torch.inference_mode():
            logits = module(batch)[0].double() / metadata["temperature"]
        return {"probabilities": dict(zip(metadata["classes"], torch.softmax(logits, 0).tolist()))}

    return app


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--threads", type=int, default=4, help="of waitress; 4 is its default")
    parser.add_argument("--torch-threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    app = make_app(options.bundle, options.torch_threads)
    server = waitress.create_server(app, host="127.0.0.1", port=0, threads=options.threads, connection_limit=1000)
    print("listening", server.effective_port, flush=True)
    server.run()


if __name__ == "__main__":
    main()
