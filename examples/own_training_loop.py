"""Search with a training loop of your own: proposals, early stopping, finals and resume are ours.

``train`` runs in a worker. It reports each epoch; a trial that is stopped early ends in ``report``.
"""

import torch
from torch.nn import functional as F

import se_nas
from se_nas import SE, Architecture, Space, choice, optional, per_stage, trunk
from se_nas.data import eval_loader, train_loader
from se_nas.training.custom import Report, Resources
from se_nas.training.evaluation import evaluate

SPACE = Space(
    "own_loop",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4)))),
)


def train(architecture: Architecture, report: Report, resources: Resources) -> torch.nn.Module:
    data = resources.data
    model = se_nas.materialize(
        architecture, num_classes=data.num_classes, in_channels=data.in_channels
    ).to(resources.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    first = go_on(model, optimizer, resources)
    for epoch in range(first, resources.epochs + 1):
        for images, labels in train_loader(data.train, 64, seed=resources.seed, epoch=epoch):
            logits = model(images.to(resources.device))
            loss = F.cross_entropy(logits, labels.to(resources.device), label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        val = evaluate(model, eval_loader(data.val), resources.device)
        report(val_acc=val.accuracy, val_loss=val.loss, epoch=epoch, train_loss=loss.item())
        save(model, optimizer, epoch, resources)
    return model  # tested on data.test, and the winner's weights are kept


def save(model, optimizer, epoch: int, resources: Resources) -> None:
    """Keep what a worker needs that takes this training over, should ours die."""
    if resources.checkpoint is not None:
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
        torch.save(state, resources.checkpoint / "new.pt")
        (resources.checkpoint / "new.pt").replace(resources.checkpoint / "last.pt")


def go_on(model, optimizer, resources: Resources) -> int:
    """Take up what an earlier worker saved; return the next epoch."""
    if resources.checkpoint is None or not (resources.checkpoint / "last.pt").exists():
        return 1
    state = torch.load(resources.checkpoint / "last.pt", map_location=resources.device)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["epoch"] + 1


if __name__ == "__main__":
    result = se_nas.run_search(
        SPACE,
        "digits",
        train=train,
        trials=3,
        limit_train=600,
        epochs=2,
        top=1,
        final_seeds=1,
        gpus=0,
        dashboard=False,
    )
    for trial in result.trials:
        print(f"{trial.end:13} val_acc {trial.val_acc:.3f}  {trial.params:7,}  {trial.name}")
    print(f"{result.winner}: test accuracy {result.finals[0].test_mean:.3f}")
