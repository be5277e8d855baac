import asyncio

from twin import background


def test_a_task_that_loses_a_cancellation_is_told_again() -> None:
    async def play() -> int:
        lost = 0

        async def deaf() -> None:
            nonlocal lost
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    lost += 1
                    if lost == 2:
                        raise

        task = asyncio.create_task(deaf())
        await asyncio.sleep(0)
        await asyncio.wait_for(background.end(task), 10)
        assert task.cancelled()
        return lost

    assert asyncio.run(play()) == 2


def test_what_an_ended_task_raises_is_its_own() -> None:
    async def play() -> None:
        async def failing() -> None:
            raise ZeroDivisionError

        task = asyncio.create_task(failing())
        await asyncio.sleep(0)
        await background.end(task)

    asyncio.run(play())
