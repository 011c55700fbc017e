"""Our networks in timm: ``timm.create_model("se_nas_se_resnet50_r16")`` after importing this.

registry   the registration of the listed models
model      ``TimmModel``, with the methods that timm's users call
"""

from se_nas.timm.model import TimmModel
from se_nas.timm.registry import ENTRIES, timm_name

__all__ = ["ENTRIES", "TimmModel", "timm_name"]
