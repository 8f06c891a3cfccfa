"""Write demand_df.csv and availability_df.csv of the national scenario.

Demand comes from standard load profiles (demandlib), wind from turbine power curves (windpowerlib)
and solar from a clear-sky model and a plant model (pvlib), both under seeded synthetic weather:
`pip install 'assume-rl[profiles]'`. Weather, river flow and annual demand are described in
README.md. All times are UTC; a value holds for the hour that follows its time.
"""

import argparse
from datetime import date, time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from demandlib.bdew import ElecSlp
from demandlib.particular_profiles import IndustrialLoadProfile
from pvlib import irradiance, pvsystem, temperature
from pvlib.location import Location
from scipy.signal import lfilter
from scipy.special import ndtr
from windpowerlib import WindTurbine, power_curves, power_output, wake_losses, wind_speed

HERE = Path(__file__).parent
SEED = 20190101
INDEX = pd.date_range("2019-01-01", "2020-01-01", freq="1h", name="datetime")  # end included

# Demand: profile and annual energy in TWh.
SLP = {"households": ("h0_dyn", 128), "commerce": ("g0", 132), "agriculture": ("l0", 9)}
INDUSTRY_TWH = 220
SHIFTS = {
    "week": {"day": 1.0, "night": 0.85},
    "weekend": {"day": 0.78, "night": 0.72},
    "holiday": {"day": 0.74, "night": 0.70},
}
HOLIDAYS = [  # in all of Germany
    date(2019, 1, 1), date(2019, 4, 19), date(2019, 4, 22), date(2019, 5, 1), date(2019, 5, 30),
    date(2019, 6, 10), date(2019, 10, 3), date(2019, 12, 25), date(2019, 12, 26), date(2020, 1, 1),
]  # fmt: skip

# Weather: latitude, longitude and scale of the wind speed in m/s, 100 m above ground.
ZONES = {
    "north": (53.8, 9.5, 7.6),
    "east": (52.2, 13.0, 6.7),
    "west": (51.3, 7.2, 6.4),
    "south": (48.6, 11.0, 5.8),
}
SEAS = {"north_sea_1": 10.6, "north_sea_2": 10.4, "north_sea_3": 10.2, "baltic_sea": 10.0}
SHARED = 0.75  # share of the variance of wind and clouds that all places have in common
WIND_HOURS, CLOUD_HOURS, RIVER_HOURS = 24, 12, 500  # correlation times
WEIBULL_SHAPE = 2.0

# Turbine type and hub height in m, and exponents of the height profile.
TURBINES = {"old": ("E-70/2300", 85), "mid": ("E-82/2300", 108), "new": ("E-115/3000", 135)}
SEA_TURBINES = {
    "north_sea_1": ("SWT120/3600", 90),
    "north_sea_2": ("AD116/5000", 90),
    "north_sea_3": ("V164/8000", 105),
    "baltic_sea": ("SWT120/3600", 90),
}
LAND_EXPONENT, SEA_EXPONENT = 0.2, 0.11

# Solar: tilt and azimuth (180 = south) in degrees, with their shares.
ARRAYS = {
    "roof": ((35, 90, 0.25), (35, 180, 0.5), (35, 270, 0.25)),
    "field": ((25, 180, 1.0),),
}
RIVERS = ("rhine", "danube", "inn", "lech", "neckar", "main")


def autoregressive(hours: float, rng: np.random.Generator) -> np.ndarray:
    """Standard normal first-order autoregressive process on the calendar."""
    keep = np.exp(-1 / hours)
    shocks = rng.normal(0, np.sqrt(1 - keep**2), len(INDEX))
    shocks[0] = rng.normal()
    return lfilter([1], [1, -keep], shocks)


def weather(places: list[str], hours: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A standard normal process per place, of which all have a part in common."""
    common = autoregressive(hours, rng)
    return {
        name: np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * autoregressive(hours, rng)
        for name in places
    }


def season(peak_day: float) -> np.ndarray:
    """Cosine over the year, 1 on `peak_day`."""
    return np.cos(2 * np.pi * (INDEX.day_of_year.to_numpy() - peak_day) / 365)


def demand() -> pd.DataFrame:
    """MW by sector; load profiles follow the local clock."""
    local = INDEX.tz_localize("UTC").tz_convert("Europe/Berlin").tz_localize(None)
    years = [local_demand(year) for year in (2019, 2020)]
    return pd.concat(years).loc[local].set_axis(INDEX)


def local_demand(year: int) -> pd.DataFrame:
    """MW by sector for a year of the local clock, hourly means."""
    with patch("warnings.simplefilter"):  # demandlib would turn warnings of pandas into errors
        slp = ElecSlp(year, holidays=HOLIDAYS)
    energy = {profile: twh * 1e6 for profile, twh in SLP.values()}
    power = slp.get_scaled_power_profiles(energy)[list(energy)].set_axis(list(SLP), axis=1)
    shifts = IndustrialLoadProfile(slp.date_time_index, holidays=HOLIDAYS).simple_profile(
        1.0, am=time(6), pm=time(20), profile_factors=SHIFTS
    )
    power["industry"] = shifts / shifts.mean() * INDUSTRY_TWH * 1e6 / (len(shifts) / 4)
    return power.resample("1h").mean()


def wind_speeds(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """m/s at 100 m: Weibull at every place, stronger in winter, on land also at night."""
    latent = weather([*ZONES, *SEAS], WIND_HOURS, rng)
    scale = {name: place[2] for name, place in ZONES.items()} | SEAS
    winter = 1 + 0.16 * season(peak_day=15)
    night = 1 + 0.05 * np.cos(2 * np.pi * (INDEX.hour.to_numpy() - 1) / 24)
    speeds = {}
    for name, z in latent.items():
        quantile = (-np.log(ndtr(-z))) ** (1 / WEIBULL_SHAPE)
        speeds[name] = scale[name] * quantile * winter * (night if name in ZONES else 1)
    return speeds


def wind_power(speed: np.ndarray, kind: str, hub: float, exponent: float) -> np.ndarray:
    """Share of nominal power of many turbines: wake losses and a smoothed power curve."""
    turbine = WindTurbine(turbine_type=kind, hub_height=hub)
    curve = power_curves.smooth_power_curve(
        turbine.power_curve["wind_speed"],
        turbine.power_curve["value"],
        standard_deviation_method="turbulence_intensity",
        turbulence_intensity=0.15,
    )
    at_hub = wind_speed.hellman(pd.Series(speed), 100, hub, hellman_exponent=exponent)
    slowed = wake_losses.reduce_wind_speed(at_hub, wind_efficiency_curve_name="dena_mean")
    watt = power_output.power_curve(slowed.to_numpy(), curve["wind_speed"], curve["value"])
    return np.asarray(watt) / turbine.nominal_power


def wind(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Share of nominal power by wind plant."""
    speeds = wind_speeds(rng)
    land = {
        f"wind_{zone}_{age}": wind_power(speeds[zone], kind, hub, LAND_EXPONENT)
        for zone in ZONES
        for age, (kind, hub) in TURBINES.items()
    }
    sea = {
        f"offshore_{site}": wind_power(speeds[site], kind, hub, SEA_EXPONENT)
        for site, (kind, hub) in SEA_TURBINES.items()
    }
    return land | sea


def solar_power(zone: str, cloud: np.ndarray, kind: str) -> np.ndarray:
    """Share of nominal power of photovoltaic plants in a zone.

    Clouds by Kasten and Czeplak (1980): G = G_clear (1 - 0.75 n^3.4) for a cloud cover n in [0, 1].
    """
    middle = (INDEX + pd.Timedelta("30min")).tz_localize("UTC")  # stands for the whole hour
    place = Location(*ZONES[zone][:2])
    sun = place.get_solarposition(middle)
    ghi = place.get_clearsky(middle, solar_position=sun)["ghi"] * (1 - 0.75 * cloud**3.4)
    parts = irradiance.erbs(ghi, sun["zenith"], middle)
    air = 9.5 + 9.5 * season(200) + 4 * np.cos(2 * np.pi * (INDEX.hour.to_numpy() - 14) / 24)
    power = np.zeros(len(INDEX))
    for tilt, azimuth, share in ARRAYS[kind]:
        plane = irradiance.get_total_irradiance(
            tilt, azimuth, sun["apparent_zenith"], sun["azimuth"],
            parts["dni"], ghi, parts["dhi"],
        )["poa_global"].fillna(0)  # fmt: skip
        cell = temperature.faiman(plane, air, 3)
        power += share * np.asarray(pvsystem.pvwatts_dc(plane, cell, 1, -0.004))
    losses = 1 - pvsystem.pvwatts_losses() / 100
    return (power * losses).clip(0, 1)


def solar(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Share of nominal power by solar plant; winters are cloudier."""
    latent = weather(list(ZONES), CLOUD_HOURS, rng)
    cloud = {zone: ndtr(z + 0.6 + 0.45 * season(0)) for zone, z in latent.items()}
    return {
        f"solar_{zone}_{kind}": solar_power(zone, cloud[zone], kind)
        for zone in ZONES
        for kind in ARRAYS
    }


def rivers(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Share of nominal power by river: snow melt in early summer, slow changes."""
    latent = weather(list(RIVERS), RIVER_HOURS, rng)
    mean = 0.55 + 0.12 * season(peak_day=160)
    return {f"hydro_{name}": (mean + 0.1 * z).clip(0.2, 0.95) for name, z in latent.items()}


def availability() -> pd.DataFrame:
    """Share of nominal power by plant."""
    rng = np.random.default_rng(SEED)
    columns = wind(rng) | solar(rng) | rivers(rng)
    return pd.DataFrame(columns, index=INDEX).clip(0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    out = parser.parse_args().out
    layout = {"date_format": "%Y-%m-%d %H:%M"}
    demand().round(1).to_csv(out / "demand_df.csv", **layout)
    # Adding 0 turns -0.0 into 0.0.
    (availability().round(3) + 0.0).to_csv(out / "availability_df.csv", **layout)


if __name__ == "__main__":
    main()
