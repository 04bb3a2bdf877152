/* How many cores are ours: files of cgroup v1 and v2 as a test lays them out, and the affinity mask. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/host.h"
#include "unit.h"

static char root[64];

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/linnet-host-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0)
        execlp("rm", "rm", "-r", root, (char *)NULL);
    int status;
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : -1;
}

/* Writes root/path, and the directories on its way. */
static void lay_out(const char *path, const char *text)
{
    char full[256];
    int length = snprintf(full, sizeof full, "%s/%s", root, path);
    for (int i = 1; i < length; i++) {
        if (full[i] != '/')
            continue;
        full[i] = '\0';
        mkdir(full, 0700);
        full[i] = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void without_cgroups_there_is_no_quota(void **state)
{
    (void)state;
    assert_int_equal(host_quota(root), 0);
    lay_out("proc/self/cgroup", "0::/\n");
    assert_int_equal(host_quota(root), 0);
}

static void a_quota_of_cgroup_v2_is_rounded_up(void **state)
{
    (void)state;
    lay_out("proc/self/cgroup", "0::/\n");
    lay_out("sys/fs/cgroup/cpu.max", "150000 100000\n");
    assert_int_equal(host_quota(root), 2);
    lay_out("sys/fs/cgroup/cpu.max", "20000 100000\n");
    assert_int_equal(host_quota(root), 1);
    lay_out("sys/fs/cgroup/cpu.max", "max 100000\n");
    assert_int_equal(host_quota(root), 0);
}

static void the_smallest_quota_on_the_way_up_holds(void **state)
{
    (void)state;
    lay_out("proc/self/cgroup", "0::/system.slice/linnet.service\n");
    lay_out("sys/fs/cgroup/system.slice/linnet.service/cpu.max", "800000 100000\n");
    assert_int_equal(host_quota(root), 8);
    lay_out("sys/fs/cgroup/system.slice/cpu.max", "300000 100000\n");
    assert_int_equal(host_quota(root), 3);
    lay_out("sys/fs/cgroup/system.slice/linnet.service/cpu.max", "max 100000\n");
    assert_int_equal(host_quota(root), 3);
}

static void a_group_that_a_container_does_not_see_leaves_its_root(void **state)
{
    (void)state;
    lay_out("proc/self/cgroup", "3:cpu,cpuacct:/docker/0123\n");
    lay_out("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "400000\n");
    lay_out("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(host_quota(root), 4);
}

static void cgroup_v1_is_walked_too_and_other_controllers_are_not(void **state)
{
    (void)state;
    lay_out("proc/self/cgroup", "4:cpuset:/a\n3:cpuacct,cpu:/b/c\n2:memory:/d\n0::/\n");
    lay_out("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "100000\n");
    lay_out("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    lay_out("sys/fs/cgroup/cpu/b/cpu.cfs_quota_us", "250000\n");
    lay_out("sys/fs/cgroup/cpu/b/cpu.cfs_period_us", "50000\n");
    lay_out("sys/fs/cgroup/cpu/b/c/cpu.cfs_quota_us", "-1\n");
    lay_out("sys/fs/cgroup/cpu/b/c/cpu.cfs_period_us", "100000\n");
    assert_int_equal(host_quota(root), 5);
}

static void what_is_not_a_quota_is_none(void **state)
{
    (void)state;
    lay_out("proc/self/cgroup", "no colons\n::\n0::/a\n");
    lay_out("sys/fs/cgroup/a/cpu.max", "0 0\n");
    lay_out("sys/fs/cgroup/cpu.max", "some text\n");
    assert_int_equal(host_quota(root), 0);
}

static void the_affinity_mask_bounds_the_cores(void **state)
{
    (void)state;
    cpu_set_t all, one;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    assert_in_range(host_cores(), 1, CPU_COUNT(&all));
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &all))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(host_cores(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_cgroups_there_is_no_quota),
        TEST(a_quota_of_cgroup_v2_is_rounded_up),
        TEST(the_smallest_quota_on_the_way_up_holds),
        TEST(a_group_that_a_container_does_not_see_leaves_its_root),
        TEST(cgroup_v1_is_walked_too_and_other_controllers_are_not),
        TEST(what_is_not_a_quota_is_none),
        cmocka_unit_test(the_affinity_mask_bounds_the_cores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
