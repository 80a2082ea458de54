import redis


def test_each_test_gets_an_empty_real_redis(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.xadd("mm:events", {"m": "x"})
        assert client.xlen("mm:events") == 1


def test_and_the_next_one_does_not_see_it(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
