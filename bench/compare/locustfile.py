"""locust's one task: the origin's text, again as soon as it is answered."""

import os

from locust import FastHttpUser, task

TEXT = os.environ.get("TEXT", "I love you. I like you. I am your friend.")


class Client(FastHttpUser):
    @task
    def age(self):
        self.client.post("/age", json={"inputs": TEXT})
