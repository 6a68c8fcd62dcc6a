"""What servers' processes leave on the disk goes with the server and with an erased user."""

from mcphub.gateway.upstream.children import Children


def test_directories_of_removed_servers_and_erased_users_go(tmp_path):
    children = Children(tmp_path)
    kept = children.home_of("wiki", "ann", "")
    others = [
        children.home_of("wiki", "bob", ""),
        children.home_of("wiki", "bob", "s1"),
        children.home_of("gone", "ann", ""),
    ]
    (others[0] / "cache").write_text("theirs")

    children.tidy(["wiki"], ["bob"])

    assert kept.is_dir()
    assert [place.exists() for place in others] == [False, False, False]


def test_marks_of_running_processes_stay(tmp_path):
    children = Children(tmp_path)
    children.mark(1, "m1")

    children.tidy([], [])

    assert (tmp_path / "children" / "running" / "m1").exists()


def test_a_home_without_any_process_is_fine(tmp_path):
    Children(tmp_path / "nothing").tidy(["wiki"], ["bob"])
