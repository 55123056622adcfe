from tests.contract.test_faults import *
def test_real_503(case):
    case.fill(60)
    case.proxy.plan = on(lambda request: LAST in request.path and request.method == "PUT", FAILURES[503][0])
    t=time.time()
    with case.watched() as seen:
        error = case.refused(Incomplete)
    print("REAL", time.time()-t, error, data_keys(seen)[LAST])
def test_real_403_all_data(case):
    case.fill(60)
    case.proxy.plan = on(is_data, FAILURES[403][0])
    t=time.time()
    with case.watched() as seen:
        error = case.refused(Incomplete)
    print("REAL403", time.time()-t, len(error.problems), sum(data_keys(seen).values()))
