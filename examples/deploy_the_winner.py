"""From a search to a file that ONNX Runtime runs: ``pip install 'se-nas[onnx]'``."""

import numpy as np
import onnxruntime
import torch

import se_nas
from se_nas import SE, Space, choice, optional, per_stage, trunk
from se_nas.data import eval_loader, load

SPACE = Space(
    "to_deploy",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4)))),
)

if __name__ == "__main__":
    result = se_nas.run_search(
        SPACE, "digits", trials=2, epochs=4, top=1, final_seeds=1, gpus=0, dashboard=False
    )
    model = result.model()  # plain PyTorch, in evaluation mode
    se_nas.export_onnx(se_nas.optimize_for_inference(model), "winner.onnx", input_size=8)

    session = onnxruntime.InferenceSession("winner.onnx", providers=["CPUExecutionProvider"])
    images, labels = next(iter(eval_loader(load("digits").test)))
    name = session.get_inputs()[0].name
    (logits,) = session.run(None, {name: images.numpy()})
    with torch.inference_mode():
        difference = float((model(images) - torch.from_numpy(logits)).abs().max())
    right = float((np.argmax(logits, 1) == labels.numpy()).mean())
    print(f"{result.winner}: {right:.3f} of {len(labels)} test images are right in ONNX Runtime")
    print(f"largest difference to PyTorch: {difference:.1e}")
