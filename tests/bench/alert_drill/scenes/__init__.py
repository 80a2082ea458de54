"""All scenes, in the order of the table."""

from tests.bench.alert_drill.cause import Scene
from tests.bench.alert_drill.scenes import machine, market, money, orders, standstill

SCENES: tuple[Scene, ...] = (standstill.SCENE, market.SCENE, orders.SCENE, money.SCENE, machine.SCENE)
