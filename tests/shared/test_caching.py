from hypothesis import given
from hypothesis import strategies as st

from shared.caching import Cache


def test_the_least_recently_used_value_is_evicted_first() -> None:
    cache: Cache[str, int] = Cache(30)
    for name in ("a", "b", "c"):
        cache.put(name, 1, 10)
    assert cache.get("a") == 1
    cache.put("d", 1, 10)
    assert [name for name in "abcd" if cache.get(name)] == ["a", "c", "d"]


def test_a_value_larger_than_the_cache_is_not_cached() -> None:
    cache: Cache[str, int] = Cache(30)
    cache.put("large", 1, 31)
    assert cache.get("large") is None
    cache.put("small", 1, 30)
    assert cache.get("small") == 1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40), st.booleans()), max_size=60))
def test_the_cache_never_exceeds_its_size_and_loses_no_capacity(steps: list[tuple[int, int, bool]]) -> None:
    cache: Cache[int, int] = Cache(100)
    sizes: dict[int, int] = {}
    for key, size, forget in steps:
        if forget:
            cache.forget(key)
        else:
            cache.put(key, key, size)
            sizes[key] = size
        assert sum(sizes[key] for key in range(6) if cache.get(key) is not None) <= 100
    for key in range(6):
        cache.forget(key)
    for key in range(10):
        cache.put(key, key, 10)
    assert all(cache.get(key) == key for key in range(10))
