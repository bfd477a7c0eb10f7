# Reads trusted_root.json from a mirror with python-tuf: directories of the packages
# (separated by ":"), mirror, initial root, directory for a cache.
import inspect
import json
import sys

dirs, mirror, root, cache = sys.argv[1:]
sys.path[:0] = dirs.split(":")
error = ""
try:
    from tuf.ngclient import Updater

    with open(root, "rb") as f:
        data = f.read()
    more = {}
    if "bootstrap" in inspect.signature(Updater.__init__).parameters:
        more["bootstrap"] = data
    else:
        with open(cache + "/root.json", "wb") as f:
            f.write(data)
    updater = Updater(metadata_dir=cache, metadata_base_url=mirror, target_base_url=mirror + "/targets/", target_dir=cache, **more)
    updater.refresh()
    updater.download_target(updater.get_targetinfo("trusted_root.json"))
except Exception as e:
    error = type(e).__name__ + ": " + str(e)
print(json.dumps({"error": error}))
