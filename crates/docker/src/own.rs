//! Which container fettle itself runs in, so that it never restarts itself.
//!
//! There is no official way to know, so three are tried, the surest first: what is mounted at `/etc/hostname` and its like
//! (Docker and Podman put files there from a folder named by the id), the control group (not with cgroup v2 and a private
//! namespace: then it is `/`), and the host name that Docker gives by default (twelve digits of the id). A wrong id can
//! only protect a container too many.

use std::fs;
use std::path::Path;

/// Files that container engines mount into every container from the container's own folder.
const MOUNTED: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// Marks of a container, by Docker and by Podman.
const MARKS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// Fettle's own container id: the full one, or its first twelve digits. `None` outside of containers, or when it cannot
/// be told. Reads `/proc`, so call it once at start.
#[must_use]
pub fn own_container_id() -> Option<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let by_proc = from_mountinfo(&read("/proc/self/mountinfo")).or_else(|| from_cgroup(&read("/proc/self/cgroup")));
    by_proc.or_else(|| {
        let in_container = MARKS.iter().any(|mark| Path::new(mark).exists());
        if in_container { from_hostname(&read("/etc/hostname")) } else { None }
    })
}

/// Whether the container `id` (full) is the one that [`own_container_id`] told of.
#[must_use]
pub fn is_own(own: &str, id: &str) -> bool {
    own.len() >= 12 && id.starts_with(own)
}

/// From `/proc/self/mountinfo`: the fourth field is the folder on the host, the fifth where it is mounted. On a host that
/// runs Docker, ids stand in the fifth field of many lines; those mean nothing.
fn from_mountinfo(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, mount) = (fields.next()?, fields.next()?);
        if !MOUNTED.contains(&mount) {
            return None;
        }
        let parts: Vec<&str> = root.split('/').collect();
        let named = |pair: &&[&str]| pair[0].ends_with("containers") && super::is_full_id(pair[1]);
        parts.windows(2).find(named).map(|pair| pair[1].to_owned())
    })
}

/// From `/proc/self/cgroup`: `…/docker/ID` by cgroupfs, `…/docker-ID.scope` by systemd. The last id of a line counts: the
/// innermost container.
fn from_cgroup(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let path = line.splitn(3, ':').nth(2)?;
        let id = |part: &str| {
            let part = part.strip_suffix(".scope").unwrap_or(part);
            let id = part.rsplit('-').next().unwrap_or(part);
            super::is_full_id(id).then(|| id.to_owned())
        };
        path.rsplit('/').find_map(id)
    })
}

/// Docker's default host name: the first twelve digits.
fn from_hostname(text: &str) -> Option<String> {
    let name = text.trim();
    let is_short_id = name.len() == 12 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    is_short_id.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "616c922dc3f0c058bf696d03777c0c75fdac775b11ac30a7f9e7774e958479e6";
    const OUTER: &str = "fc45e02962f0ce99268bf3ca3d0b7fd3401435b7f12e9a318b97fdc701622520";

    #[test]
    fn the_mounted_files_tell_the_id_in_docker_and_podman() {
        let docker = format!(
            "660 500 0:51 / /proc rw,nosuid - proc proc rw\n\
             684 659 254:1 /var/lib/docker/containers/{ID}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw\n\
             685 659 254:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw\n"
        );
        assert_eq!(from_mountinfo(&docker).as_deref(), Some(ID));
        let podman =
            format!("1 2 0:46 /containers/overlay-containers/{ID}/userdata/hosts /etc/hosts rw - tmpfs tmpfs rw");
        assert_eq!(from_mountinfo(&podman).as_deref(), Some(ID));
    }

    #[test]
    fn a_host_that_runs_docker_is_not_a_container() {
        let host = format!(
            "23 28 0:21 / /proc rw - proc proc rw\n\
             300 28 0:60 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw\n\
             301 28 254:1 /srv/containers/{ID}/data /srv/data rw - ext4 /dev/vda1 rw\n"
        );
        assert_eq!(from_mountinfo(&host), None);
        assert_eq!(from_cgroup("0::/system.slice/fettle.service\n"), None);
        assert_eq!(from_mountinfo("").or(from_cgroup("")), None);
    }

    #[test]
    fn control_groups_tell_the_id_in_version_1_and_2() {
        for text in [
            format!("12:pids:/docker/{ID}\n11:cpu,cpuacct:/docker/{ID}\n0::/docker/{ID}\n"),
            format!("0::/system.slice/docker-{ID}.scope\n"),
            format!("1:name=systemd:/\n2:memory:/docker/{OUTER}/docker/{ID}\n"),
            format!("0::/machine.slice/libpod-{ID}.scope\n"),
            format!("0::/kubepods/besteffort/pod6a1/{ID}\n"),
        ] {
            assert_eq!(from_cgroup(&text).as_deref(), Some(ID), "{text}");
        }
        assert_eq!(from_cgroup("0::/\n"), None);
    }

    #[test]
    fn only_a_short_id_is_taken_from_the_host_name() {
        assert_eq!(from_hostname("616c922dc3f0\n").as_deref(), Some("616c922dc3f0"));
        for name in ["", "fettle", "616C922DC3F0", "616c922dc3f", "616c922dc3f0a"] {
            assert_eq!(from_hostname(name), None, "{name}");
        }
        assert!(is_own("616c922dc3f0", ID) && is_own(ID, ID) && !is_own("", ID) && !is_own(ID, OUTER));
    }
}
