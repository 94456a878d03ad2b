"""Rows and events as answers: the only place that says which field of a row is which field of the API."""

from rig.wire.views.events import accepted as accepted
from rig.wire.views.events import data as data
from rig.wire.views.events import result as result
from rig.wire.views.events import stream_event as stream_event
from rig.wire.views.frames import HEARTBEAT as HEARTBEAT
from rig.wire.views.frames import OPENING as OPENING
from rig.wire.views.frames import frame as frame
from rig.wire.views.frames import gap_frame as gap_frame
from rig.wire.views.frames import row_frame as row_frame
from rig.wire.views.frames import shown as shown
from rig.wire.views.installation import delivery as delivery
from rig.wire.views.installation import key as key
from rig.wire.views.installation import plugin as plugin
from rig.wire.views.issues import assignment as assignment
from rig.wire.views.issues import claimed as claimed
from rig.wire.views.issues import issue as issue
from rig.wire.views.issues import tokens as tokens
from rig.wire.views.issues import trace as trace
from rig.wire.views.issues import transition_table as transition_table
from rig.wire.views.work import ONLINE as ONLINE
from rig.wire.views.work import STEPS as STEPS
from rig.wire.views.work import agent as agent
from rig.wire.views.work import execution as execution
from rig.wire.views.work import execution_detail as execution_detail
from rig.wire.views.work import job as job
from rig.wire.views.work import job_detail as job_detail
