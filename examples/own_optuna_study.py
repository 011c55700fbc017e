"""Use a space in an Optuna study of your own: your loop, our architectures and costs."""

import optuna

from se_nas import SE, Architecture, Space, choice, optional, params, per_stage, trunk
from se_nas.cost import cost
from se_nas.data import load
from se_nas.training.recipes import RECIPES
from se_nas.training.train import Training

SPACE = Space(
    "own_study",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4), gate=choice("sigmoid", "hard_sigmoid")))),
    constraints=[params <= 60_000],
)
DATA = load("digits", limit_train=400)
SHAPE = {"input_size": DATA.image_size, "in_channels": DATA.in_channels}


def objective(trial: optuna.Trial) -> float:
    architecture = SPACE.suggest(trial)  # conditional parameters with dotted names
    price = cost(architecture, num_classes=DATA.num_classes, **SHAPE)
    violations = SPACE.violations(price)
    for constraint, excess in violations.items():
        trial.set_constraint(constraint, excess)
    trial.set_user_attr("name", str(architecture))
    trial.set_user_attr("params", price.params)
    if max(violations.values()) > 0:
        raise optuna.TrialPruned  # by arithmetic: nothing is trained
    return Training(architecture, DATA, RECIPES["search"], epochs=1).epoch().val_acc


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=12)
    trained = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    print(f"{len(trained)} of {len(study.trials)} proposals were within the constraints")
    best = Architecture.parse(study.best_trial.user_attrs["name"])
    assert best in SPACE
    print(f"best: {best}, val_acc {study.best_value:.3f}, {study.best_trial.user_attrs}")
