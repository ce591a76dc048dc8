"""The name under which pipeline files know the toolkit.

Importing it makes ``seesaw`` the module ``pipeline_core`` itself; see
``pipeline_core.compat.aliases``.
"""

import pipeline_core  # noqa: F401  (puts itself into sys.modules under this name)
