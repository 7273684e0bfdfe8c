//! Writes and syncs, as the log makes them: into files that have all their blocks already.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Figure;
use crate::machine::Device;
use crate::measure::clock;
use crate::print::median;

pub(super) const BULK: &str = "disk: 1 MiB written and synced at a time";

const FILE_BYTES: usize = 64 << 20;
/// In turn, since a disk's mood changes.
const SLICE: Duration = Duration::from_millis(200);
const SLICES: usize = 5;

/// What some writes of 4 KiB take that are synced each, in µs.
pub(crate) fn sync_times(base: &Path) -> Vec<f64> {
    let path = base.join("ceiling");
    let times = syncs(&zeroed(&path), 4096);
    let _ = fs::remove_file(path);
    times
}

pub(super) fn measure(base: &Path) -> Vec<Figure> {
    let path = base.join("ceiling");
    let file = zeroed(&path);
    let device = Device::below(base);
    let written = || device.as_ref().and_then(Device::written).unwrap_or(0);
    let mut times = [const { Vec::new() }; 3];
    let mut octets = [0; 3];
    for _ in 0..SLICES {
        for (which, size) in [512, 4096, 1 << 20].into_iter().enumerate() {
            let before = written();
            times[which].extend(syncs(&file, size));
            octets[which] += written() - before;
        }
    }
    let _ = fs::remove_file(path);
    let [small, block, bulk] = &times;
    let mut figures = vec![Figure::new("disk: 512 B written and synced, median", "µs", median(small))];
    let each = octets[0] as f64 / small.len() as f64;
    figures.extend(device.map(|_| Figure::new("  written by the device, others and journal included", "B a sync", each)));
    figures.push(Figure::new("disk: 4 KiB written and synced, median", "µs", median(block)));
    figures.push(Figure::new("  the same", "a second", block.len() as f64 / block.iter().sum::<f64>() * 1e6));
    figures.push(Figure::new(BULK, "MB/s", f64::from(1 << 20) * bulk.len() as f64 / bulk.iter().sum::<f64>()));
    figures
}

fn zeroed(path: &Path) -> File {
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(path).expect("a file");
    file.write_all_at(&vec![0; FILE_BYTES], 0).and_then(|()| file.sync_all()).expect("room for a file");
    file
}

/// Writes so many octets one after the other, each synced; what each took in µs.
fn syncs(file: &File, octets: usize) -> Vec<f64> {
    let data = vec![0x5a; octets];
    let (mut times, mut at) = (Vec::new(), 0);
    let end = Instant::now() + SLICE;
    while Instant::now() < end {
        let (took, ()) = clock(|| file.write_all_at(&data, at).and_then(|()| file.sync_data()).expect("a disk that works"));
        times.push(took.as_secs_f64() * 1e6);
        at = (at + octets as u64) % FILE_BYTES as u64;
    }
    times
}
