# Reads a target file with python-tuf, in the directories and in the way of
# sigstore-python: mirror, initial root ("" for none), target.
import inspect
import os
import sys
from urllib.parse import quote

from tuf.ngclient import Updater

mirror, root, target = sys.argv[1:]
mirror = mirror.rstrip("/")
name = quote(mirror, safe="")
metadata = os.path.join(os.environ["XDG_DATA_HOME"], "sigstore-python", "tuf", name)
targets = os.path.join(os.environ["XDG_CACHE_HOME"], "sigstore-python", "tuf", name)
try:
    os.makedirs(targets, exist_ok=True)
    initial = open(root, "rb").read() if root else None
    more = {}
    if "bootstrap" in inspect.signature(Updater).parameters:
        more["bootstrap"] = initial
    elif initial and not os.path.exists(os.path.join(metadata, "root.json")):
        os.makedirs(metadata, exist_ok=True)
        with open(os.path.join(metadata, "root.json"), "wb") as f:
            f.write(initial)
    client = Updater(metadata_dir=metadata, metadata_base_url=mirror, target_base_url=mirror + "/targets/", target_dir=targets, **more)
    client.refresh()
    info = client.get_targetinfo(target)
    path = client.find_cached_target(info) or client.download_target(info)
    sys.stdout.write(open(path).read())
except Exception as e:
    sys.exit(type(e).__name__ + ": " + str(e))
