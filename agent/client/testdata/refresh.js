// Reads trusted_root.json from a mirror with @sigstore/tuf or tuf-js: directory of
// the package, mirror, initial root, directory for a cache.
const [dir, mirror, root, cache] = process.argv.slice(1);
const fs = require('fs');
const tell = (error) => process.stdout.write(JSON.stringify({ error }) + '\n', () => process.exit(0));
(async () => {
  const lib = require(dir);
  if (lib.initTUF) {
    const tuf = await lib.initTUF({ mirrorURL: mirror, rootPath: root, cachePath: cache, retry: 0 });
    return tuf.getTarget('trusted_root.json');
  }
  fs.copyFileSync(root, cache + '/root.json');
  const updater = new lib.Updater({
    metadataBaseUrl: mirror, targetBaseUrl: mirror + '/targets', metadataDir: cache, targetDir: cache,
    config: { fetchRetry: 0 },
  });
  await updater.refresh();
  return updater.downloadTarget(await updater.getTargetInfo('trusted_root.json'));
})().then(() => tell(''), (e) => tell([e.name, e.message, e.cause && e.cause.message].filter(Boolean).join(': ')));
