import time, pytest
from django.db import connection
from tests.dashboard.pages.conftest import *
from tests.dashboard.pages.conftest import make_pod, seal, deploy, serve
pytestmark=pytest.mark.django_db
def test_b(alices, team, alice):
    from apps.dashboard import pod_cards as pc
    for n in range(50):
        p=make_pod(team); HostName.objects.create(pod=p,host=f"{p.name}.localhost",route="r"); r=seal(p,1,{})
        for _ in range(10): deploy(r,"ready",finished_at=timezone.now())
        serve(r,"web")
    def best(f):
        f(); b=9e9
        for _ in range(100):
            t=time.perf_counter(); f(); b=min(b,time.perf_counter()-t)
        return round(b*1000,2)
    ids=list(Pod.objects.filter(team=team).values_list("id",flat=True))
    print("last",best(lambda: pc._last(ids)),"running",best(lambda: pc._running(ids)),"hosts",best(lambda: pc._hosts(ids)),"all",best(lambda: pc.cards(alice)))
    from django.test.utils import CaptureQueriesContext
    with CaptureQueriesContext(connection) as q: pc.cards(alice)
    for x in q.captured_queries:
        sql=x["sql"]
        def raw():
            with connection.cursor() as c: 
                c.execute(sql); c.fetchall()
        print(best(raw), sql[:60])
    s=time.perf_counter(); sum(i*i for i in range(1000000)); print("cpu unit", time.perf_counter()-s)
