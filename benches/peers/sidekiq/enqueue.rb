# The Sidekiq caller: `enqueue FILE` with push_bulk in calls of 1,000, or `pickup FILE` one by one with 20 ms between.

require "json"
require_relative "worker"

BATCH = 1_000
PICKUP_EVERY_S = 0.02

def enqueue(all)
  began = Record.now_us
  all.each_slice(BATCH) { |some| Sidekiq::Client.push_bulk("class" => Echo, "args" => some.map { |args| [args] }) }
  { began_us: began, ended_us: Record.now_us }
end

def pickup(all)
  due = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  times = all.map do |args|
    sleep [0, due - Process.clock_gettime(Process::CLOCK_MONOTONIC)].max
    due += PICKUP_EVERY_S
    called = Record.now_us
    Echo.perform_async(args)
    [called, Record.now_us]
  end
  { called_us: times.map(&:first), acknowledged_us: times.map(&:last) }
end

verb, file = ARGV
all = File.readlines(file).map { |line| JSON.parse(line) }
Sidekiq.redis(&:ping)
puts JSON.generate(verb == "enqueue" ? enqueue(all) : pickup(all))
