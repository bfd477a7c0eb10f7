# Reads a target file with sigstore-ruby: mirror, initial root ("" for none), target.
require "fileutils"
require "logger"
require "openssl"
require "set"
begin
  require "sigstore"
rescue LoadError
  # Its TUF client does not need the gem of protocol buffers that the rest does.
end
require "sigstore/tuf"

mirror, root, target = ARGV
Sigstore.logger = Logger.new(IO::NULL)
begin
  unless root.empty?
    dir = File.join(ENV.fetch("XDG_DATA_HOME"), "sigstore-ruby", "sigstore", "tuf", URI.encode_uri_component(mirror))
    FileUtils.mkdir_p(dir)
    FileUtils.cp(root, File.join(dir, "root.json")) unless File.exist?(File.join(dir, "root.json"))
  end
  client = Sigstore::TUF::TrustUpdater.new(mirror, false).updater
  info = client.get_targetinfo(target)
  print File.read(client.find_cached_target(info) || client.download_target(info))
rescue StandardError => e
  abort "#{e.class}: #{e.message}"
end
