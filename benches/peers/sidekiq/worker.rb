# What a Sidekiq process loads: a job that only notes that it began. ../README.md tells why these settings.

require "hiredis"
require "sidekiq"
require_relative "record"

class Echo
  include Sidekiq::Worker

  def perform(args)
    Record.began(args["number"])
  end
end

# This Sidekiq with this client would write a warning for each fetch, and pay for it.
Redis.silence_deprecations = true

redis = { url: ENV.fetch("PEER_REDIS"), driver: :hiredis }
Sidekiq.configure_client { |config| config.redis = redis }
Sidekiq.configure_server do |config|
  config.redis = redis
  config.logger.level = Logger::WARN
  config.on(:startup) { Record.start }
end
