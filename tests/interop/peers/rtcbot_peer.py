"""A peer as RTCBot's users write it in Python, with RTCBot as it is on PyPI.

    python rtcbot_peer.py watch|send|robot URL

`watch` connects to /connect and looks at what comes; `send` shows a moving picture there; `robot` waits at /ws to be asked for one. What
happens to it is a line of JSON each on its output. It ends with its input.
"""

import asyncio
import json
import sys

import aiohttp
import numpy
from rtcbot import RTCConnection, Websocket


def tell(**what):
    print(json.dumps(what), flush=True)


class Camera:
    """A bar that moves over 320 x 240 pixels."""

    def __init__(self):
        self.at = 0

    async def get(self):
        await asyncio.sleep(0.05)
        picture = numpy.full((240, 320, 3), 60, dtype=numpy.uint8)
        picture[:, self.at : self.at + 20] = 220
        self.at = (self.at + 4) % 300
        return picture


async def main(part, url):
    connection = RTCConnection()
    seen = 0

    def look(picture):
        nonlocal seen
        seen += 1
        if seen in (1, 20):
            tell(picture=seen, shape=picture.shape, type=str(picture.dtype))

    connection.subscribe(lambda message: tell(heard=message))
    connection.onReady(lambda: connection.put_nowait({"ready": part}))
    connection.onClose(lambda: tell(closed=True))
    if part == "watch":
        connection.video.subscribe(look)
    else:
        connection.video.putSubscription(Camera())

    if part == "robot":
        robot = Websocket(url + "ws")
        tell(waits=True)
        answer = await connection.getLocalDescription(await robot.get())
        robot.put_nowait(answer)
    else:
        offer = await connection.getLocalDescription()
        async with aiohttp.ClientSession() as session:
            async with session.post(url + "connect", data=json.dumps(offer)) as response:
                tell(status=response.status, text="" if response.ok else await response.text())
                await connection.setRemoteDescription(await response.json())

    while line := await asyncio.get_event_loop().run_in_executor(None, sys.stdin.readline):
        connection.put_nowait(json.loads(line))
    await connection.close()


asyncio.run(main(*sys.argv[1:]))
