"""The documents as a site: `sphinx-build -W -b html docs site`, then open site/index.html."""

import se_nas

project = "SE-NAS"
author = "the SE-NAS developers"
version = release = se_nas.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = "SE-NAS"
html_show_sphinx = False
