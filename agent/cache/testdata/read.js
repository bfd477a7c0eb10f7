// Reads a target file with @sigstore/tuf: mirror, initial root ("" for none), target.
const fs = require('fs');
const [mirror, root, target] = process.argv.slice(2);
require('@sigstore/tuf')
  .initTUF({ mirrorURL: mirror, rootPath: root || undefined, retry: 0, forceCache: process.env.FORCE_CACHE === '1' })
  .then((tuf) => tuf.getTarget(target))
  .then((data) => process.stdout.write(data))
  .catch((e) => {
    process.stderr.write([e.name, e.message, e.cause && e.cause.message].filter(Boolean).join(': '));
    process.exitCode = 1;
  });
