"""The time: wrong here, wrong there."""

from datetime import timedelta

from tests.lab.actions import Clock, Scripted, Shadow
from tests.lab.scenario import Scenario
from tests.lab.topology import At

_WHOSE = "without a time server this computer cannot know which of the two clocks is wrong"
_ACCEPTS = "xfreerdp is told to accept any certificate, and Kerberos is not in play"

SCENARIOS = (
    Scenario(
        name="clock-years-behind",
        cause="clock-wrong-here",
        broken=(Clock(ahead=timedelta(days=-2000)),),
        unfelt=_ACCEPTS,
    ),
    Scenario(
        name="clock-years-ahead",
        cause="clock-wrong-here",
        broken=(Shadow(), Clock(ahead=timedelta(days=700))),
        accept=("clock-skew",),
        why=_WHOSE,
        unfelt=_ACCEPTS,
    ),
    Scenario(
        name="clock-skew-there",
        cause="clock-skew",
        broken=(Shadow(), Clock(ahead=timedelta(minutes=9), at=At.SERVER)),
        accept=("clock-wrong-here",),
        why=_WHOSE,
        unfelt=_ACCEPTS,
    ),
    Scenario(
        name="clock-skew-scripted",
        cause="clock-skew",
        broken=(Scripted(script="clock-skew"),),
        accept=("clock-wrong-here",),
        why=_WHOSE,
        unfelt=_ACCEPTS,
    ),
)
