"""Uses the generated client: creates a Worker, uploads a file, sends inputs, reads events, and gets a problem. See python-client."""

import io
import sys

from worker_client import Client, models
from worker_client.types import File
from worker_client.api.files import get_file, put_file
from worker_client.api.history import read_events, read_transcript
from worker_client.api.runs import send_input
from worker_client.api.workers import create_worker, delete_worker, get_worker, stop_worker

client = Client(base_url=sys.argv[1])
at = {"client": client, "r": "self"}

labels = models.CreateWorkerLabels.from_dict({"team": "docs"})
worker = create_worker.sync(**at, body=models.CreateWorker(engine="echo", labels=labels))
assert isinstance(worker, models.CreatedWorker), worker
w = worker.worker_id

stored = put_file.sync(**at, w=w, body=File(payload=io.BytesIO(b"a,b")), name="table.csv")
assert isinstance(stored, models.FilePart) and stored.size_bytes == 3, stored
assert get_file.sync_detailed(**at, w=w, digest=stored.digest).content == b"a,b"

part = models.NewText(type_="text", text="bye")
file = models.FileReference(type_="file", digest=stored.digest, name="table.csv")
for body in (models.TextInput(text="hi"), models.PartsInput(parts=[part, file])):
    receipt = send_input.sync(**at, w=w, body=body, prefer="wait=20")
    assert isinstance(receipt, models.InputReceipt), receipt
    assert receipt.run.outcome == models.RunResultOutcome.COMPLETED, receipt

names, after = [], "start"
while after is not None:
    page = read_events.sync(**at, w=w, after=after, limit=3)
    names += [type(event).__name__ for event in page.items]
    after = page.next_
assert names[0] == "WorkerCreatedEvent" and names[-1] == "RunFinishedEvent", names
assert names.count("MessageCompletedEvent") == 2 and "UnknownEvent" not in names, names

# a later version may write other events
envelope = {"seq": 1, "time": "2026-01-01T00:00:00.000Z", "worker": w}
later = {"items": [{**envelope, "type": "run.paused", "data": {"by": "x"}}], "next": None, "asOf": page.as_of}
[event] = type(page).from_dict(later).items
assert isinstance(event, models.UnknownEvent) and event.data["by"] == "x", event

items = read_transcript.sync(**at, w=w).items
shown = [getattr(part, "text", part.type_) for item in items for part in item.parts]
assert shown == ["hi", "hi", "bye", "file", "bye", "file"], shown

missing = get_worker.sync(**at, w="nobody")
assert isinstance(missing, models.Problem) and missing.code == models.ProblemCode.WORKER_NOT_FOUND, missing

stop_worker.sync(**at, w=w, body=models.StopWorker())
assert delete_worker.sync_detailed(**at, w=w).status_code == 204
print(f"The Python client has read {len(names)} events")
