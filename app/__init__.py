"""dropnorm: HTTP in → record → worker → training → artifact → serving."""

import os

# ONNX Runtime's builds tell their maker about every session and leave an identifier in the home folder, unless this
# is set before the library loads. Every process of the service passes here first.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
