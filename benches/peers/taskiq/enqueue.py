"""The taskiq caller. taskiq has no bulk call: a call for each job, a few at once on connections of their own."""

import asyncio

import calls
from bench import broker, echo

AT_ONCE = 8


def bulk(jobs):
    left = iter(jobs)

    async def caller():
        for args in left:
            await echo.kiq(args)

    async def all_of_them():
        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))

    loop.run_until_complete(all_of_them())


def one(args):
    loop.run_until_complete(echo.kiq(args))


loop = asyncio.new_event_loop()
loop.run_until_complete(broker.startup())
calls.main(bulk, one)
loop.run_until_complete(broker.shutdown())
